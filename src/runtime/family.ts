/**
 * Parents and children among runs: a parent hears of its children so that it cannot complete before them, and children
 * are asked to stop when their parent is, or when it ends without them. `runs` knows who is at hand.
 */
import type { RunId, StreamKey, TenantId } from "../../protocol/ids.ts";
import { NotFound, RunEnded } from "../errors.ts";
import type { EventLog, RunRecord } from "../log/event-log.ts";
import type { Journal } from "../telemetry/journal.ts";
import type { StopRequest } from "./run-desk.ts";
import { RunDesk } from "./run-desk.ts";

export interface FamilyTerms {
  readonly log: Pick<EventLog, "isShared" | "living">;
  readonly journal: Journal;
  readonly atHand: (tenantId: TenantId, runId: RunId) => RunDesk | undefined;
  readonly find: (tenantId: TenantId, runId: RunId) => Promise<RunDesk | RunRecord | undefined>;
  /** Undefined: nobody is bringing it back. */
  readonly comingBack: (tenantId: TenantId, runId: RunId) => Promise<RunDesk | RunRecord | undefined> | undefined;
}

export class Family {
  private readonly terms: FamilyTerms;

  constructor(terms: FamilyTerms) {
    this.terms = terms;
  }

  /** Word of a child for its parent. One that is being brought back may have missed it: it hears it then. */
  tellParent(
    { tenantId, parentRunId }: Pick<RunRecord, "tenantId" | "parentRunId">,
    tell: (parent: RunDesk) => void,
  ): void {
    if (parentRunId === undefined) return;
    const parent = this.terms.atHand(tenantId, parentRunId);
    if (parent) return tell(parent);
    this.terms.comingBack(tenantId, parentRunId)?.then(
      (back) => {
        if (back instanceof RunDesk) tell(back);
      },
      () => {},
    );
  }

  /** Asks them to stop. One that cannot be asked now has a lease of its own. */
  stopChildren(parent: RunRecord, children: readonly RunId[], request: StopRequest): void {
    const { log, journal } = this.terms;
    this.stopEach(parent, children, request);
    if (!log.isShared) return;
    // Those that were made by other processes, too.
    this.childrenOf(parent).then(
      (living) => {
        const others = living.filter((child) => !children.includes(child));
        this.stopEach(parent, others, request);
      },
      (cause: unknown) => journal.write("warn", "run.childrenNotFound", { runId: parent.runId, cause }),
    );
  }

  /** Its living children, by the log. Fails: `LogUnavailable`. */
  async childrenOf({ stream, runId }: Pick<RunRecord, "stream" | "runId">): Promise<readonly RunId[]> {
    const { runs } = await this.terms.log.living(stream);
    return runs.filter(({ parentRunId }) => parentRunId === runId).map((child) => child.runId);
  }

  private stopEach({ tenantId }: RunRecord, children: readonly RunId[], request: StopRequest): void {
    const { by = "parent", ...body } = request;
    for (const child of children) {
      this.terms
        .find(tenantId, child)
        .then((found) => (found instanceof RunDesk ? found.cancel(by, body) : undefined))
        .catch((cause: unknown) => this.terms.journal.write("warn", "run.childNotStopped", { runId: child, cause }));
    }
  }
}

/** Fails: throws `NotFound` for a parent that is missing or somebody else's, `RunEnded`. */
export function livingParent(found: RunDesk | RunRecord | undefined, stream: StreamKey): RunDesk {
  const record = found instanceof RunDesk ? found.run.record : found;
  if (found === undefined || record?.stream !== stream) throw new NotFound({ what: "run" });
  if (!(found instanceof RunDesk)) throw new RunEnded({ state: found.ended ?? "completed" });
  return found;
}
