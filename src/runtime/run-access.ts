/**
 * Runs by their name, for whoever may touch them: the gate before the living and the log (L8). What is foreign is
 * answered as what is missing, in the same time.
 */
import type { CancelBody } from "../../protocol/http.ts";
import type { RunId, TenantId } from "../../protocol/ids.ts";
import type { Principal, UserPrincipal } from "../auth/principal.ts";
import { NotFound, RunEnded } from "../errors.ts";
import type { EventLog, RunRecord } from "../log/event-log.ts";
import { foreignThing, mayTouch, nameOf, ownRun, requireRight, tenantForRun } from "./gate.ts";
import { RunDesk } from "./run-desk.ts";
import type { Runs } from "./runs.ts";

export class RunAccess {
  private readonly log: EventLog;
  private readonly runs: Runs;

  constructor(log: EventLog, runs: Runs) {
    this.log = log;
    this.runs = runs;
  }

  /**
   * The living run of a caller, or the record of one that has ended. `fresh`: with what other processes wrote of it.
   *
   * Fails: `NotFound`.
   */
  async touch(
    caller: Principal,
    named: TenantId | undefined,
    runId: RunId,
    fresh = false,
  ): Promise<RunDesk | RunRecord> {
    const tenantId = tenantForRun(caller, named);
    const atHand = this.runs.atHand(tenantId, runId);
    const isOwn = atHand !== undefined && mayTouch(caller, atHand.run.record);
    // A stranger's question brings no run back, and is answered no sooner because the run is at hand.
    if (caller.kind === "user" && !isOwn) ownRun(caller, await this.log.run(tenantId, runId));
    const found = await (fresh ? this.runs.findFresh(tenantId, runId) : this.runs.find(tenantId, runId));
    if (found === undefined) throw new NotFound({ what: "run" });
    if (!mayTouch(caller, found instanceof RunDesk ? found.run.record : found)) throw foreignThing("run");
    return found;
  }

  /** Its record, for reads: as the log has it. Fails: `NotFound`, `Forbidden`. */
  async read(caller: Principal, named: TenantId | undefined, runId: RunId): Promise<RunRecord> {
    if (caller.kind === "publisher") requireRight(caller, "admin");
    return ownRun(caller, await this.log.run(tenantForRun(caller, named), runId));
  }

  /** Fails: `NotFound` for a run that is missing or somebody else's. */
  async requireOwn(caller: UserPrincipal, runId: RunId): Promise<void> {
    await this.read(caller, undefined, runId);
  }

  /** Asks it to stop. Fails: `NotFound`, `RunEnded`, `Forbidden`. */
  async cancel(caller: Principal, named: TenantId | undefined, runId: RunId, body: CancelBody): Promise<void> {
    if (caller.kind === "publisher") requireRight(caller, "publish");
    const found = await this.touch(caller, named, runId);
    if (!(found instanceof RunDesk)) throw new RunEnded({ state: found.ended ?? "completed" });
    await found.cancel(nameOf(caller), body);
  }
}
