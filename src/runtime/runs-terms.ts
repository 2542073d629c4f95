/** What the registry of runs is made of, counts, and answers with. */
import type { StartRunAnswer } from "../../protocol/http.ts";
import type { Deadlines } from "./deadlines.ts";
import type { LiveRun } from "./live-run.ts";
import type { Settings } from "./options.ts";
import type { RunDesk } from "./run-desk.ts";
import type { Supervisor } from "./supervisor.ts";

export interface RunsTerms {
  readonly settings: Settings;
  readonly supervisor: Supervisor;
  readonly deadlines: Deadlines;
  readonly nextId: () => string;
  readonly timeText: () => string;
  readonly onStalled: (run: LiveRun, stalled: boolean) => void;
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
  contaminationRefused: number;
  runsInterrupted: number;
}
