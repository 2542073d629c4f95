import { createActor } from "xstate";
import { describe, expect, it } from "vitest";
import {
  breakerHealth,
  breakerPermission,
  type BreakerFact,
  circuitBreakerMachine,
  type BreakerSettings,
} from "../../machines/circuit-breaker.ts";

const start = (settings?: Partial<BreakerSettings>) => {
  const breaker = createActor(circuitBreakerMachine, { input: settings }).start();
  return {
    tell: (...types: readonly BreakerFact["type"][]) => {
      for (const type of types) breaker.send({ type });
      return breaker.getSnapshot();
    },
    send: (fact: BreakerFact) => {
      breaker.send(fact);
      return breaker.getSnapshot();
    },
    now: () => breaker.getSnapshot(),
  };
};
const times = (count: number, type: BreakerFact["type"]) => Array.from({ length: count }, () => type);

const opened = () => {
  const breaker = start();
  breaker.tell(...times(5, "call.failed"));
  return breaker;
};
const halfOpened = () => {
  const breaker = opened();
  breaker.tell("openMs.passed");
  return breaker;
};

describe("circuit breaker", () => {
  it("opens at the fifth failure in a row, not before", () => {
    const breaker = start();
    expect(breaker.tell(...times(4, "call.failed")).value).toBe("closed");
    expect(breaker.tell("call.failed").value).toBe("open");
  });

  it("counts failures in a row only", () => {
    const breaker = start();
    expect(breaker.tell(...times(4, "call.failed"), "call.succeeded", ...times(4, "call.failed")).value).toBe("closed");
    expect(breaker.tell("call.failed").value).toBe("open");
  });

  it("lets every call through while it is closed", () => {
    expect(breakerPermission(start().now())).toBe("call");
    expect(breakerPermission(start().tell(...times(4, "call.failed")))).toBe("call");
  });

  it("lets nothing through while it is open, and hears of nothing but its deadline", () => {
    const breaker = opened();
    const open = breaker.now();
    expect(breakerPermission(open)).toBe("refused");
    expect(breaker.tell("call.succeeded", "call.failed", "probe.taken", "probe.dropped")).toBe(open);
    expect(breaker.tell("openMs.passed").value).toBe("halfOpen");
  });

  it("lets exactly its probes through when half open (L13)", () => {
    const breaker = halfOpened();
    let passed = 0;
    for (let asked = 0; asked < 10; asked += 1) {
      if (breakerPermission(breaker.now()) !== "probe") continue;
      breaker.tell("probe.taken");
      passed += 1;
    }
    expect(passed).toBe(2);
    const full = breaker.now();
    expect(breaker.tell("probe.taken")).toBe(full);
    // One came back well: of two probes, one is still out, and none is left.
    expect(breakerPermission(breaker.tell("call.succeeded"))).toBe("refused");
  });

  it("closes when all its probes succeed", () => {
    const breaker = halfOpened();
    expect(breaker.tell("probe.taken", "call.succeeded").value).toBe("halfOpen");
    expect(breaker.tell("probe.taken", "call.succeeded").value).toBe("closed");
    expect(breaker.tell(...times(4, "call.failed")).value).toBe("closed");
  });

  it("opens anew when one probe fails", () => {
    const breaker = halfOpened();
    expect(breaker.tell("probe.taken", "call.succeeded", "probe.taken", "call.failed").value).toBe("open");
    expect(breaker.tell("openMs.passed", "probe.taken", "call.succeeded").value).toBe("halfOpen");
  });

  it("gives the place of a dropped probe to the next call", () => {
    const breaker = halfOpened();
    breaker.tell("probe.taken", "probe.taken");
    expect(breakerPermission(breaker.now())).toBe("refused");
    expect(breakerPermission(breaker.tell("probe.dropped"))).toBe("probe");
  });

  it("ignores the result of a call that was under way when it changed", () => {
    const breaker = start();
    const early = breaker.now().context.round;
    breaker.tell(...times(5, "call.failed"), "openMs.passed", "probe.taken");
    const onTrial = breaker.now();
    expect(breaker.send({ type: "call.failed", round: early })).toBe(onTrial);
    expect(breaker.send({ type: "call.succeeded", round: early })).toBe(onTrial);
    expect(breaker.send({ type: "call.failed", round: onTrial.context.round }).value).toBe("open");
  });

  it("takes a result for no probe when none is under way", () => {
    const breaker = halfOpened();
    const onTrial = breaker.now();
    expect(breaker.tell("call.succeeded", "call.failed")).toBe(onTrial);
    const onOneProbe = start({ maxFailures: 1, probeCount: 1 });
    expect(onOneProbe.tell("call.failed", "openMs.passed", "call.succeeded").value).toBe("halfOpen");
  });

  it("is not closed by a success of an older round, even when one more probe is all it waits for", () => {
    const breaker = start({ maxFailures: 1, probeCount: 1 });
    const early = breaker.now().context.round;
    breaker.tell("call.failed", "openMs.passed", "probe.taken");
    expect(breaker.send({ type: "call.succeeded", round: early }).value).toBe("halfOpen");
    expect(breaker.tell("call.succeeded").value).toBe("closed");
  });

  it("takes a result that names no round for one of the current round", () => {
    const breaker = start({ maxFailures: 1 });
    expect(breaker.send({ type: "call.failed", round: undefined }).value).toBe("open");
  });

  it("frees a probe's place for the next one when it came back well", () => {
    const breaker = halfOpened();
    expect(breakerPermission(breaker.tell("probe.taken", "call.succeeded"))).toBe("probe");
  });

  it("counts its changes of state", () => {
    const breaker = opened();
    const rounds = [breaker.now(), breaker.tell("openMs.passed"), breaker.tell("reset.requested")];
    expect(rounds.map(({ context }) => context.round)).toEqual([1, 2, 3]);
  });

  it("is closed by hand from any state", () => {
    expect(opened().tell("reset.requested").value).toBe("closed");
    expect(halfOpened().tell("reset.requested").value).toBe("closed");
    const failing = start();
    expect(failing.tell(...times(4, "call.failed"), "reset.requested").context.failures).toBe(0);
  });

  it("takes its settings from its input", () => {
    const breaker = start({ maxFailures: 1, probeCount: 1 });
    expect(breaker.tell("call.failed").value).toBe("open");
    expect(breaker.tell("openMs.passed", "probe.taken", "call.succeeded").value).toBe("closed");
    expect(breaker.now().context.settings).toEqual({ maxFailures: 1, openMs: 30_000, probeCount: 1 });
  });

  it("is healthier closed than on trial, and not at all open", () => {
    const breaker = start();
    const healths = [breakerHealth(breaker.now())];
    for (const type of [
      "call.failed",
      ...times(4, "call.failed"),
      "openMs.passed",
      "probe.taken",
      "call.succeeded",
    ] as const)
      healths.push(breakerHealth(breaker.tell(type)));
    expect(healths).toEqual([100, 90, 80, 70, 60, 0, 17, 17, 33]);
    expect(breakerHealth(start().now(), 1)).toBe(50);
    expect(breakerHealth(start().now(), 7)).toBe(50);
    expect(breakerHealth(halfOpened().now(), 1)).toBe(8);
  });

  it("can be opened by any tool: its config is JSON but for the initial context", () => {
    const { context, ...config } = circuitBreakerMachine.config;
    expect(typeof context).toBe("function");
    expect(JSON.parse(JSON.stringify(config))).toEqual(config);
  });
});
