/** What a living run and its registry ask of each other. */
import type { EventInput } from "../../protocol/event.ts";
import type { PublishAnswer } from "../../protocol/http.ts";
import type { Fence, Seq } from "../../protocol/ids.ts";
import type { TerminalState } from "../../protocol/run-view.ts";
import type { EventLog, RunRecord } from "../log/event-log.ts";
import type { Apart } from "./apart.ts";
import type { RunActor } from "./judge.ts";
import type { LiveRun } from "./live-run.ts";
import type { PayloadPolicy } from "./contamination.ts";

/** What a live run needs of its registry. */
export interface RunHost extends PayloadPolicy {
  readonly log: EventLog;
  readonly nextId: () => string;
  readonly timeText: () => string;
  /** Whether somebody must be told if no device acknowledges it. Undefined: there is no way to tell anybody. */
  readonly isCritical: ((event: EventInput, record: RunRecord) => boolean) | undefined;
  readonly countAccepted: (events: number) => void;
  readonly countRefused: (events: number) => void;
  /** A machine actor that stands at `snapshot`, or at the beginning. */
  readonly actor: (record: Pick<RunRecord, "profile">, snapshot?: unknown) => RunActor;
  readonly release: (actor: RunActor) => void;
  readonly apart: Apart;
  /** It is over, fenced, heard elsewhere, or a write failed: forget it. */
  readonly drop: (run: LiveRun, end: RunEnd) => void;
  /** Answers what is said of a run that has ended. */
  readonly late: (record: RunRecord, events: readonly EventInput[], terms: PublishTerms) => Promise<PublishAnswer>;
  /** Counts its living children anew, wherever they live. Fails: `LogUnavailable`. */
  readonly findChildren: (run: LiveRun) => Promise<void>;
}

/**
 * Why a living run is forgotten: its terminal, a newer runner, a write whose outcome nobody knows, or a runner that is
 * heard by another process.
 */
export type RunEnd = TerminalState | "fenced" | "unknown" | "elsewhere";

export interface PublishTerms {
  readonly fence?: Fence | string | undefined;
  readonly ifSeq?: Seq | undefined;
  readonly traceparent?: string | undefined;
  /** The supervisor writes: no fence is asked, `agent_interrupted` is legal, nothing is quarantined. */
  readonly bySupervisor?: boolean | undefined;
}
