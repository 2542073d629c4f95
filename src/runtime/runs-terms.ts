/** What the registry of runs is made of, counts, and answers with. */
import type { StartRunAnswer } from "../../protocol/http.ts";
import type { RunKey, TenantId } from "../../protocol/ids.ts";
import type { RunRecord } from "../log/event-log.ts";
import type { Deadlines } from "./deadlines.ts";
import type { Settings } from "./options.ts";
import type { RunDesk } from "./run-desk.ts";
import type { RunHost } from "./run-host.ts";
import type { Supervisor } from "./supervisor.ts";
import type { UserTerms } from "./user-terms.ts";

export interface RunsTerms {
  readonly settings: Settings;
  readonly userTerms: UserTerms;
  readonly supervisor: Supervisor;
  readonly deadlines: Deadlines;
  readonly nextId: () => string;
  readonly timeText: () => string;
  readonly onContaminated: (tenantId: TenantId) => void;
  readonly isCritical: RunHost["isCritical"];
  readonly onStalled: (record: RunRecord, stalled: boolean) => void;
  /** A desk watches this run from here on. True: it is stalled, and its owner was told so. */
  readonly takeOrphan: (key: RunKey) => boolean;
}

export interface StartedRun {
  readonly answer: StartRunAnswer;
  /** False: the same call had made it before. */
  readonly created: boolean;
  /** Undefined: it has ended. */
  readonly desk: RunDesk | undefined;
}

export interface RunsCounts {
  eventsAccepted: number;
  eventsRefused: number;
  runsInterrupted: number;
}
