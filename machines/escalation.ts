/**
 * One critical event on its way to a person who does not look: waits for an ack, then climbs the rungs 4 to 6 of the
 * ladder until somebody knows. An ack ends it wherever it stands; what a call that was under way came to is recorded.
 *
 * No clock inside: `ackWait.passed` and `retryWait.passed` come from the deadline wheel. Who is to be called now is
 * `channelsDue`. After a crash it is made anew with the outcomes that were written down, and told `ackWait.passed`.
 *
 * | state | what it waits for | what moves it |
 * |---|---|---|
 * | `waiting` | an ack | `ackWait.passed` → rung4 |
 * | `rung4` | Web Push, webhook: one after the other, or all at once | `channel.told`, `channel.doubted` → told; all failed or absent → rung5 |
 * | `rung5` | e-mail, then SMS | the same; all failed or absent → rung6 |
 * | `rung6` | the operator's alert | `operator.told` → exhausted |
 * | `exhausted` | a better time | `retryWait.passed` → rung4, nothing tried yet |
 * | `told` `acked` `revoked` `retired` | nothing: it is over | – |
 *
 * From every state that is not over: `ack.arrived` → acked, `owner.revoked` → revoked, `event.retired` → retired.
 */
import { assign, type SnapshotFrom, setup } from "xstate";

/** Who may be called, in this order. */
export interface EscalationPlan {
  /** Rung 4. */
  readonly emergency: readonly string[];
  /** Rung 5. */
  readonly alternative: readonly string[];
  /** Rung 4 all at once, and not one after the other. */
  readonly parallel: boolean;
}

/** `doubted`: nobody knows whether it was told, and it must not be told twice. It counts as told. */
export type ChannelOutcome = "told" | "failed" | "absent" | "doubted";

export interface EscalationContext {
  readonly plan: EscalationPlan;
  /** What each channel that was called came to, in this order. */
  readonly outcomes: readonly { readonly channel: string; readonly outcome: ChannelOutcome }[];
}

export interface EscalationInput {
  readonly plan: EscalationPlan;
  readonly outcomes?: EscalationContext["outcomes"] | undefined;
}

export type EscalationFact =
  | { readonly type: "ack.arrived" }
  | { readonly type: "ackWait.passed" }
  /** The other side took it. */
  | { readonly type: "channel.told"; readonly channel: string }
  /** It did not, or its breaker is open, or its time was up. */
  | { readonly type: "channel.failed"; readonly channel: string }
  /** The user has no address there. */
  | { readonly type: "channel.absent"; readonly channel: string }
  | { readonly type: "channel.doubted"; readonly channel: string }
  | { readonly type: "operator.told" }
  | { readonly type: "retryWait.passed" }
  | { readonly type: "owner.revoked" }
  | { readonly type: "event.retired" };

const outcomeOf = {
  "channel.told": "told",
  "channel.failed": "failed",
  "channel.absent": "absent",
  "channel.doubted": "doubted",
} as const satisfies Record<string, ChannelOutcome>;

const isAnswered = ({ outcomes }: EscalationContext, channel: string): boolean =>
  outcomes.some((one) => one.channel === channel);

const recorded = { guard: "isAwaited", actions: "record" } as const;
/** It is over; a call that was under way is heard out. */
const over = {
  tags: "over",
  on: {
    "channel.told": recorded,
    "channel.failed": recorded,
    "channel.absent": recorded,
    "channel.doubted": recorded,
  },
} as const;
const endings = { "ack.arrived": "acked", "owner.revoked": "revoked", "event.retired": "retired" } as const;
const rung = {
  "channel.told": { guard: "isAwaited", target: "told", actions: "record" },
  "channel.doubted": { guard: "isAwaited", target: "told", actions: "record" },
  "channel.failed": recorded,
  "channel.absent": recorded,
} as const;

export const escalationMachine = setup({
  types: {
    context: {} as EscalationContext,
    events: {} as EscalationFact,
    input: {} as EscalationInput,
    tags: {} as "over",
  },
  guards: {
    isAwaited: ({ context, event }) =>
      "channel" in event &&
      !isAnswered(context, event.channel) &&
      [...context.plan.emergency, ...context.plan.alternative].includes(event.channel),
    emergencyFailed: ({ context }) => context.plan.emergency.every((channel) => isAnswered(context, channel)),
    alternativeFailed: ({ context }) => context.plan.alternative.every((channel) => isAnswered(context, channel)),
  },
  actions: {
    record: assign({
      outcomes: ({ context, event }) =>
        "channel" in event
          ? [...context.outcomes, { channel: event.channel, outcome: outcomeOf[event.type] }]
          : context.outcomes,
    }),
    beginAgain: assign({ outcomes: [] }),
  },
}).createMachine({
  id: "escalation",
  context: ({ input }) => ({ plan: input.plan, outcomes: input.outcomes ?? [] }),
  initial: "waiting",
  states: {
    waiting: { on: { ...endings, "ackWait.passed": "rung4" } },
    rung4: { always: { guard: "emergencyFailed", target: "rung5" }, on: { ...endings, ...rung } },
    rung5: { always: { guard: "alternativeFailed", target: "rung6" }, on: { ...endings, ...rung } },
    rung6: { on: { ...endings, "operator.told": "exhausted" } },
    exhausted: { on: { ...endings, "retryWait.passed": { target: "rung4", actions: "beginAgain" } } },
    told: over,
    acked: over,
    revoked: over,
    retired: over,
  },
});

export type EscalationSnapshot = SnapshotFrom<typeof escalationMachine>;
export type EscalationState = EscalationSnapshot["value"];

/** The channels that are to be called now, unless they are under way: one, or in parallel all that have not answered. */
export function channelsDue({ value, context }: EscalationSnapshot): readonly string[] {
  const { emergency, alternative, parallel } = context.plan;
  if (value !== "rung4" && value !== "rung5") return [];
  const open = (value === "rung4" ? emergency : alternative).filter((channel) => !isAnswered(context, channel));
  return value === "rung4" && parallel ? open : open.slice(0, 1);
}

/** Whether somebody was called in vain: else the user has no address anywhere. */
export const hasFailures = ({ context }: EscalationSnapshot): boolean =>
  context.outcomes.some(({ outcome }) => outcome === "failed");
