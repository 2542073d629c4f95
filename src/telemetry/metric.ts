/**
 * A metric: its name, its meaning, and how it is read off what the process counts. `metrics` lists them all,
 * `prometheus` writes them down, and the alert rules are evaluated over the same samples, so the two cannot differ.
 */
import type { LoopDelay, ProcessFigures } from "../platform/process-figures.ts";
import type { RuntimeFigures } from "../runtime/runtime-figures.ts";

export type Labels = Readonly<Record<string, string>>;

export interface Sample {
  readonly labels?: Labels | undefined;
  /** Of a histogram's parts, as in `_bucket`. */
  readonly suffix?: string | undefined;
  readonly value: number;
}

/** What metrics are read from. What is absent has no samples. */
export interface Figures {
  readonly runtime: RuntimeFigures;
  readonly process?: ProcessFigures | undefined;
  /** For who asks for no more of the process. */
  readonly loopDelay?: LoopDelay | undefined;
  readonly gateway?: GatewayFigures | undefined;
  /** Of one `serve` with several processes. */
  readonly workers?: readonly WorkerFigures[] | undefined;
}

export interface WorkerFigures {
  /** Its place, from 1; who takes a dead one's place has its number. */
  readonly worker: number;
  readonly isUp: boolean;
  readonly deaths: number;
}

export interface GatewayFigures {
  /** HTTP answers by status. */
  readonly answers: ReadonlyMap<number, number>;
  /** Sockets without a credential. */
  readonly pendingSockets: number;
  /** Of addresses and the whole server, by limit. */
  readonly refusals: ReadonlyMap<string, number>;
  /** Closed unheard, because all places were taken. */
  readonly droppedSockets: number;
}

export interface Metric {
  readonly name: string;
  readonly kind: "counter" | "gauge" | "histogram";
  readonly help: string;
  /** Counters in whole numbers; times in seconds, sizes in bytes, as Prometheus wants them. */
  readonly read: (figures: Figures) => readonly Sample[];
}

/** One sample without labels; none when there is no value. */
export const one = (value: number | undefined): readonly Sample[] => (value === undefined ? [] : [{ value }]);
