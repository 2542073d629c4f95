/** What holds for one user now, where flags have their say. Asked anew each time: a changed flag needs no restart. */
import type { Mode } from "../../protocol/http.ts";
import type { TenantId, UserId } from "../../protocol/ids.ts";
import type { Flags } from "./flags.ts";

export class UserTerms {
  private readonly flags: Flags;

  constructor(flags: Flags) {
    this.flags = flags;
  }

  /** Of a run that names none. */
  modeOf(tenantId: TenantId, userId: UserId): Mode {
    return this.flags.isOn("performanceMode", tenantId, userId) ? "performance" : "regular";
  }
}
