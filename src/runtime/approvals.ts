/** Approvals: decided once across all devices, by whoever answers first; who comes later gets that resolution. */
import { streamKey, streamOwner } from "../../protocol/ids.ts";
import { parseTrusted } from "../../protocol/json.ts";
import { AlreadyResolved, IllegalTransition, NotFound, RunEnded } from "../errors.ts";
import type { EventLog, RunRecord } from "../log/event-log.ts";
import { isolated } from "./contamination.ts";
import { mayTouch, nameOf, requireRight, tenantForRun } from "./gate.ts";
import { textOf } from "./payload.ts";
import { RunDesk } from "./run-desk.ts";
import type { Runs } from "./runs.ts";
import type { RuntimeService } from "./runtime.ts";
import type { Views } from "./views.ts";

export class Approvals {
  private readonly log: EventLog;
  private readonly runs: Runs;
  private readonly views: Views;

  constructor(log: EventLog, runs: Runs, views: Views) {
    this.log = log;
    this.runs = runs;
    this.views = views;
  }

  /** Fails: `NotFound`, `AlreadyResolved`, `RunEnded`, `Contaminated`, `IllegalTransition`, `LogUnavailable`. */
  async resolve(...[caller, named, approvalId, body]: Parameters<RuntimeService["resolveApproval"]>) {
    if (caller.kind === "publisher") requireRight(caller, "publish");
    const tenantId = tenantForRun(caller, named, "approval");
    const own = caller.kind === "user" ? streamKey(caller.tenantId, caller.userId) : undefined;
    const record = await this.log.approval(tenantId, approvalId, own);
    if (record === undefined || !mayTouch(caller, record)) throw new NotFound({ what: "approval" });
    const found = await this.runs.findFresh(tenantId, record.runId);
    const before = await this.resolution(found instanceof RunDesk ? found : record, approvalId);
    if (before) throw new AlreadyResolved({ resolution: before });
    if (!(found instanceof RunDesk)) throw new RunEnded({ state: found?.ended ?? "completed" });
    const by = nameOf(caller);
    const said = textOf(body.data, () => "data");
    const owner = streamOwner(record.stream);
    const given = said === undefined ? undefined : parseTrusted(isolated(said, owner, () => "data", this.runs.policy));
    const data = { approvalId, decision: body.decision, by, ...(given !== undefined && { data: given }) };
    try {
      await this.runs.publishTo(found, [{ type: "approval_resolved", data }], { bySupervisor: true });
    } catch (cause) {
      // Somebody else answered between our look and our word: the first answer wins.
      const first = cause instanceof IllegalTransition ? await this.resolution(found, approvalId) : undefined;
      throw first ? new AlreadyResolved({ resolution: first }) : cause;
    }
    // The human has spoken; from here on time counts for the runner again.
    found.lease.renew();
    return { approvalId, decision: body.decision, by };
  }

  /** Who answered first; undefined while nobody has. */
  private async resolution(of: RunDesk | RunRecord, approvalId: string) {
    if (of instanceof RunDesk) {
      const state = of.run.actor.getSnapshot().context.approvals[approvalId];
      if (state === "open" || state === undefined) return undefined;
      await of.run.settled();
    }
    const record = of instanceof RunDesk ? { ...of.run.record, seq: of.run.seq } : of;
    const view = await this.views.view(record);
    const approval = view?.approvals.find((each) => each.approvalId === approvalId);
    return approval?.decision && { decision: approval.decision, by: approval.by };
  }
}
