import { createActor } from "xstate";
import { describe, expect, it } from "vitest";
import {
  channelsDue,
  type EscalationFact,
  type EscalationInput,
  type EscalationState,
  escalationMachine,
  hasFailures,
} from "../../machines/escalation.ts";

const plan = { emergency: ["web-push", "webhook"], alternative: ["email", "sms"], parallel: false };

function start(input: Partial<EscalationInput> = {}) {
  const escalation = createActor(escalationMachine, { input: { plan, ...input } }).start();
  return {
    tell: (...facts: readonly EscalationFact[]) => {
      for (const fact of facts) escalation.send(fact);
      return escalation.getSnapshot();
    },
    now: () => escalation.getSnapshot(),
  };
}

const passed = { type: "ackWait.passed" } as const;
const acked = { type: "ack.arrived" } as const;
const told = (channel: string): EscalationFact => ({ type: "channel.told", channel });
const failed = (channel: string): EscalationFact => ({ type: "channel.failed", channel });
const absent = (channel: string): EscalationFact => ({ type: "channel.absent", channel });
const doubted = (channel: string): EscalationFact => ({ type: "channel.doubted", channel });
const emergencyFailed = [passed, failed("web-push"), absent("webhook")];
const allFailed = [...emergencyFailed, failed("email"), failed("sms")];

/** How each state is reached. */
const ways: Readonly<Record<EscalationState, readonly EscalationFact[]>> = {
  waiting: [],
  rung4: [passed],
  rung5: emergencyFailed,
  rung6: allFailed,
  exhausted: [...allFailed, { type: "operator.told" }],
  told: [passed, told("web-push")],
  acked: [acked],
  revoked: [{ type: "owner.revoked" }],
  retired: [{ type: "event.retired" }],
};

/** Where each fact leads, from each state that hears it. All others stay as they are. */
const endings = { "ack.arrived": "acked", "owner.revoked": "revoked", "event.retired": "retired" } as const;
const moves: Readonly<Record<EscalationState, Partial<Record<EscalationFact["type"], EscalationState>>>> = {
  waiting: { ...endings, "ackWait.passed": "rung4" },
  rung4: { ...endings, "channel.told": "told", "channel.doubted": "told" },
  rung5: { ...endings, "channel.told": "told", "channel.doubted": "told" },
  rung6: { ...endings, "operator.told": "exhausted" },
  exhausted: { ...endings, "retryWait.passed": "rung4" },
  told: {},
  acked: {},
  revoked: {},
  retired: {},
};

const facts = (channel: string): readonly EscalationFact[] => [
  acked,
  passed,
  told(channel),
  failed(channel),
  absent(channel),
  doubted(channel),
  { type: "operator.told" },
  { type: "retryWait.passed" },
  { type: "owner.revoked" },
  { type: "event.retired" },
];
const channelOf: Partial<Record<EscalationState, string>> = { rung5: "email" };

describe("escalation machine", () => {
  for (const [state, way] of Object.entries(ways) as [EscalationState, readonly EscalationFact[]][]) {
    for (const fact of facts(channelOf[state] ?? "web-push")) {
      const to = moves[state][fact.type];
      it(`in ${state}, on ${fact.type}, ${to === undefined ? "stays" : `is ${to}`}`, () => {
        const escalation = start();
        expect(escalation.tell(...way).value).toBe(state);
        expect(escalation.tell(fact).value).toBe(to ?? state);
        expect(escalation.now().hasTag("over")).toBe(["told", "acked", "revoked", "retired"].includes(to ?? state));
      });
    }
  }

  it("calls rung 4 one after the other, then rung 5, each channel once", () => {
    const escalation = start();
    expect(channelsDue(escalation.now())).toEqual([]);
    expect(channelsDue(escalation.tell(passed))).toEqual(["web-push"]);
    expect(channelsDue(escalation.tell(absent("web-push")))).toEqual(["webhook"]);
    expect(channelsDue(escalation.tell(failed("webhook")))).toEqual(["email"]);
    expect(channelsDue(escalation.tell(failed("email")))).toEqual(["sms"]);
    expect(channelsDue(escalation.tell(failed("sms")))).toEqual([]);
    expect(escalation.now().value).toBe("rung6");
  });

  it("calls all of rung 4 at once when its plan says so, and is told by the first that is", () => {
    const escalation = start({ plan: { ...plan, parallel: true } });
    expect(channelsDue(escalation.tell(passed))).toEqual(["web-push", "webhook"]);
    expect(channelsDue(escalation.tell(failed("webhook")))).toEqual(["web-push"]);
    expect(escalation.tell(told("web-push")).value).toBe("told");
    const other = start({ plan: { ...plan, parallel: true } });
    expect(other.tell(passed, failed("webhook"), failed("web-push")).value).toBe("rung5");
    // Rung 5 costs money and trouble: one after the other in any case.
    expect(channelsDue(other.now())).toEqual(["email"]);
  });

  it("skips rungs that have no channel", () => {
    expect(start({ plan: { ...plan, emergency: [] } }).tell(passed).value).toBe("rung5");
    expect(start({ plan: { emergency: [], alternative: [], parallel: false } }).tell(passed).value).toBe("rung6");
  });

  it("goes on after a crash where the outcomes that were written down leave it", () => {
    const outcomes = [
      { channel: "web-push", outcome: "failed" },
      { channel: "webhook", outcome: "absent" },
    ] as const;
    const escalation = start({ outcomes });
    expect(channelsDue(escalation.tell(passed))).toEqual(["email"]);
    expect(escalation.tell(doubted("email")).value).toBe("told");
    expect(escalation.now().context.outcomes.at(-1)).toEqual({ channel: "email", outcome: "doubted" });
  });

  it("records what a call came to that was under way when the ack arrived, and does not double it", () => {
    const escalation = start();
    expect(escalation.tell(passed, acked, told("web-push"), told("web-push")).value).toBe("acked");
    expect(escalation.now().context.outcomes).toEqual([{ channel: "web-push", outcome: "told" }]);
    expect(channelsDue(escalation.now())).toEqual([]);
  });

  it("hears a channel once, and none that is not in its plan", () => {
    const escalation = start();
    const { context } = escalation.tell(passed, failed("web-push"), told("web-push"), told("pigeon"));
    expect(escalation.now().value).toBe("rung4");
    expect(context.outcomes).toEqual([{ channel: "web-push", outcome: "failed" }]);
  });

  it("knows failures from a user without any address, and begins a new round with nothing tried", () => {
    const escalation = start();
    escalation.tell(passed, ...["web-push", "webhook", "email", "sms"].map(absent));
    expect(escalation.now().value).toBe("rung6");
    expect(hasFailures(escalation.now())).toBe(false);
    expect(hasFailures(start().tell(...allFailed))).toBe(true);
    escalation.tell({ type: "operator.told" }, { type: "retryWait.passed" });
    expect(channelsDue(escalation.now())).toEqual(["web-push"]);
  });

  it("keeps nothing but JSON", () => {
    const { context } = start().tell(...allFailed);
    expect(JSON.parse(JSON.stringify(context))).toEqual(context);
  });
});
