/**
 * A circuit breaker before something that can fail (the log, the spool, a channel): closed → open → halfOpen.
 * It opens iff its threshold is met, and lets exactly its probes through (L13).
 *
 * No clock inside: `openMs.passed` comes from the deadline wheel, `context.settings.openMs` after it opened.
 *
 * | state | a call may pass | what moves it |
 * |---|---|---|
 * | `closed` | yes | `call.failed`: the n-th in a row opens it; `call.succeeded` starts the count anew |
 * | `open` | no | `openMs.passed` → halfOpen |
 * | `halfOpen` | as a probe: say `probe.taken` first | enough `call.succeeded` close it, one `call.failed` opens it |
 *
 * A caller keeps the `round` that it started in and gives it back with the result: what belongs to an older round
 * (a call that was under way when the breaker opened) changes nothing.
 */
import { assign, type SnapshotFrom, setup } from "xstate";

export interface BreakerSettings {
  /** Failures in a row that open it. */
  readonly maxFailures: number;
  /** Units: ms. How long it stays open. */
  readonly openMs: number;
  /** Probes that it lets through when half open; all must succeed to close it. */
  readonly probeCount: number;
}

export const defaultBreakerSettings: BreakerSettings = { maxFailures: 5, openMs: 30_000, probeCount: 2 };

export interface BreakerContext {
  readonly settings: BreakerSettings;
  /** Failures in a row. */
  readonly failures: number;
  /** Probes that are under way. */
  readonly probes: number;
  /** Probes that came back well. */
  readonly successes: number;
  /** Counts the changes of state. */
  readonly round: number;
}

interface CallResult {
  /** `context.round` when the call started; left out, it counts for the current one. */
  readonly round?: number;
}

export type BreakerFact =
  | ({ readonly type: "call.succeeded" } & CallResult)
  | ({ readonly type: "call.failed" } & CallResult)
  /** A call starts as a probe. */
  | { readonly type: "probe.taken" }
  /** A probe was given up before it could tell: its place is free again. */
  | ({ readonly type: "probe.dropped" } & CallResult)
  | { readonly type: "openMs.passed" }
  /** An operator closes it by hand. */
  | { readonly type: "reset.requested" };

const isOfRound = (context: BreakerContext, event: BreakerFact): boolean =>
  !("round" in event) || event.round === undefined || event.round === context.round;

export const circuitBreakerMachine = setup({
  types: {
    context: {} as BreakerContext,
    events: {} as BreakerFact,
    input: {} as Partial<BreakerSettings> | undefined,
  },
  guards: {
    isOfRound: ({ context, event }) => isOfRound(context, event),
    isLastFailure: ({ context, event }) =>
      isOfRound(context, event) && context.failures + 1 >= context.settings.maxFailures,
    isProbe: ({ context, event }) => isOfRound(context, event) && context.probes > 0,
    isLastProbe: ({ context, event }) =>
      isOfRound(context, event) && context.probes > 0 && context.successes + 1 >= context.settings.probeCount,
    hasProbe: ({ context }) => context.probes + context.successes < context.settings.probeCount,
  },
  actions: {
    countFailure: assign({ failures: ({ context }) => context.failures + 1 }),
    forgetFailures: assign({ failures: 0 }),
    takeProbe: assign({ probes: ({ context }) => context.probes + 1 }),
    dropProbe: assign({ probes: ({ context }) => context.probes - 1 }),
    countSuccess: assign({
      probes: ({ context }) => context.probes - 1,
      successes: ({ context }) => context.successes + 1,
    }),
    beginRound: assign({ failures: 0, probes: 0, successes: 0, round: ({ context }) => context.round + 1 }),
  },
}).createMachine({
  id: "circuitBreaker",
  context: ({ input }) => ({
    settings: {
      maxFailures: input?.maxFailures ?? defaultBreakerSettings.maxFailures,
      openMs: input?.openMs ?? defaultBreakerSettings.openMs,
      probeCount: input?.probeCount ?? defaultBreakerSettings.probeCount,
    },
    failures: 0,
    probes: 0,
    successes: 0,
    round: 0,
  }),
  initial: "closed",
  states: {
    closed: {
      on: {
        "call.succeeded": { guard: "isOfRound", actions: "forgetFailures" },
        "call.failed": [
          { guard: "isLastFailure", target: "open", actions: "beginRound" },
          { guard: "isOfRound", actions: "countFailure" },
        ],
        "reset.requested": { actions: "forgetFailures" },
      },
    },
    open: {
      on: {
        "openMs.passed": { target: "halfOpen", actions: "beginRound" },
        "reset.requested": { target: "closed", actions: "beginRound" },
      },
    },
    halfOpen: {
      on: {
        "probe.taken": { guard: "hasProbe", actions: "takeProbe" },
        "probe.dropped": { guard: "isProbe", actions: "dropProbe" },
        "call.succeeded": [
          { guard: "isLastProbe", target: "closed", actions: "beginRound" },
          { guard: "isProbe", actions: "countSuccess" },
        ],
        "call.failed": { guard: "isProbe", target: "open", actions: "beginRound" },
        "reset.requested": { target: "closed", actions: "beginRound" },
      },
    },
  },
});

export type BreakerSnapshot = SnapshotFrom<typeof circuitBreakerMachine>;
export type BreakerState = BreakerSnapshot["value"];

/** How a call may pass now: as any call, as a probe (after `probe.taken`), or not at all. */
export function breakerPermission(snapshot: BreakerSnapshot): "call" | "probe" | "refused" {
  if (snapshot.value === "closed") return "call";
  return snapshot.can({ type: "probe.taken" }) ? "probe" : "refused";
}

const fullHealth = 100;
/** A breaker on trial is better than an open one and worse than any closed one. */
const trialHealth = 50;

/**
 * How well the thing behind the breaker does, from 0 (open) to 100; derived, never stored.
 *
 * `lag` is how far its receiver is behind, from 0 to 1: of a connection, the part of the window that is not acked.
 */
export function breakerHealth({ value, context }: BreakerSnapshot, lag = 0): number {
  const { settings, failures, successes } = context;
  const onTime = 1 - Math.min(1, Math.max(0, lag)) / 2;
  if (value === "open") return 0;
  if (value === "halfOpen") return Math.round((trialHealth * onTime * (successes + 1)) / (settings.probeCount + 1));
  const lost = (fullHealth - trialHealth) * (failures / settings.maxFailures);
  return Math.round((fullHealth - lost) * onTime);
}
