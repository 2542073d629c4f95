/** The audit log that `createRuncast` was asked for, opened for as long as the scope lasts. */
import * as Effect from "effect/Effect";
import type { AuditFileOptions } from "./auth/audit-file.ts";
import type { AuditLog } from "./auth/audit-log.ts";
import { silentAuditLog } from "./auth/audit-log.ts";
import { auditFile } from "./auth/audit-opening.ts";
import type { StoreSetting } from "./config-values.ts";
import { auditKey, audit as parseAudit } from "./config-values.ts";
import { InvalidConfig } from "./errors.ts";
import type { EventLog } from "./log/event-log.ts";

const setting = { env: "RUNCAST_AUDIT", default: "", right: "file:<file>, off, or a log of your own" };

/** Fails: `InvalidConfig` for a setting, a key or a file that cannot be used. */
export const auditOf = Effect.fnUntraced(function* (
  given: string | AuditLog | undefined,
  key: string | undefined,
  store: StoreSetting | EventLog,
  around: Pick<AuditFileOptions, "clock" | "alerts">,
) {
  if (typeof given === "object") return given;
  const file = yield* parseAudit(
    { text: given ?? "", called: "audit" },
    setting,
    "kind" in store ? store : { kind: "memory" },
  );
  if (file === undefined) return silentAuditLog;
  if (key !== undefined && auditKey(key) === undefined)
    return yield* new InvalidConfig({ setting: "auditKey", message: "must be at least 32 bytes" });
  const opened: AuditLog = yield* auditFile({ file, key: key || undefined, ...around });
  return opened;
});
