/**
 * A clock that moves when it is told to: leases, heartbeats and deadlines in tests without a sleep. Timers fire in
 * the order of their times, each at its own time; random bytes come from a seed.
 */
import type { Clock } from "../platform/clock.ts";

export interface ManualClock extends Clock {
  /** Moves time on, timer by timer; what a timer sets up within the span fires too. */
  advance(ms: number): Promise<void>;
  /** The process slept: time has passed and nothing has fired. What is overdue fires with the next `advance`. */
  jump(ms: number): void;
  /** Milliseconds to the next timer, 0 for one that is overdue; undefined when none is set. */
  readonly nextInMs: number | undefined;
}

/** Kept from before a test runner puts its own timers in its place. */
const afterThisTurn = setImmediate;

/** Lets promises and microtasks run that the last timer has set off. */
export const turn = (): Promise<void> => new Promise((resolve) => afterThisTurn(resolve));

export function manualClock(startMs = Date.UTC(2026, 0, 1), seed = 1): ManualClock {
  let nowMs = 0;
  let nextId = 0;
  let state = seed >>> 0 || 1;
  const timers = new Map<number, { readonly dueMs: number; readonly task: () => void }>();
  const next = (): [number, { dueMs: number; task: () => void }] | undefined => {
    let first: [number, { dueMs: number; task: () => void }] | undefined;
    for (const timer of timers) if (first === undefined || timer[1].dueMs < first[1].dueMs) first = timer;
    return first;
  };
  return {
    now: () => startMs + nowMs,
    mono: () => nowMs,
    after: (delayMs, task) => {
      const id = nextId;
      nextId += 1;
      timers.set(id, { dueMs: nowMs + Math.max(0, delayMs), task });
      return () => timers.delete(id);
    },
    // xorshift32: enough for ids, the same for the same seed.
    random: (count) =>
      Uint8Array.from({ length: count }, () => {
        state ^= state << 13;
        state ^= state >>> 17;
        state ^= state << 5;
        return state & 0xff;
      }),
    jump: (ms) => {
      nowMs += ms;
    },
    get nextInMs() {
      const first = next();
      return first && Math.max(0, first[1].dueMs - nowMs);
    },
    advance: async (ms) => {
      const endMs = nowMs + ms;
      await turn();
      for (let timer = next(); timer && timer[1].dueMs <= endMs; timer = next()) {
        timers.delete(timer[0]);
        nowMs = Math.max(nowMs, timer[1].dueMs);
        timer[1].task();
        await turn();
      }
      nowMs = endMs;
      await turn();
    },
  };
}
