/** One group commit: writes of one process that become durable together, and who waits for them. */
import type { Refusal } from "./disk-faults.ts";
import type { Bell, EventLog } from "../../src/log/event-log.ts";

/** A write that can be done again: the same history makes the same log. */
export type Write = (log: EventLog) => Promise<unknown>;

export interface Outcome {
  readonly bells: readonly Bell[];
  readonly answer: { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly cause: unknown };
}

export interface Transaction {
  readonly owner: { readonly hear: (bell: Bell) => void };
  writes: readonly Write[];
  /** Answered before it is synced (`durability: "os"`). */
  readonly isLazy: boolean;
  /** The kernel has it. */
  isWritten: boolean;
  readonly succeed: (outcomes: readonly Outcome[]) => void;
  readonly fail: (refusal: Refusal) => void;
}

/** Does the writes in their order. Microtasks only: to the world it is one moment. */
export async function apply(log: EventLog, writes: readonly Write[]): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const write of writes) {
    const bells: Bell[] = [];
    const stop = log.watch((bell) => bells.push(bell));
    const answer = await write(log).then(
      (value) => ({ ok: true, value }) as const,
      (cause: unknown) => ({ ok: false, cause }) as const,
    );
    stop();
    outcomes.push({ bells, answer });
  }
  return outcomes;
}
