import { describe, expect, it } from "vitest";
import { memoryLog } from "../../src/log/memory.ts";
import type { RuntimeOptions } from "../../src/runtime/options.ts";
import { alertRules } from "../../src/telemetry/alert-rules.ts";
import type { Alerts } from "../../src/telemetry/alerts.ts";
import { metrics } from "../../src/telemetry/metrics.ts";
import { note } from "../support/events.ts";
import { faultyLog } from "../support/faulty-log.ts";
import { runtimeUnderTest } from "../support/runtime-under-test.ts";

/** What is raised and resolved, as it comes: `+LogDown`, `-LogDown`. */
function listening() {
  const said: string[] = [];
  const summaries: string[] = [];
  const alerts: Alerts = {
    raise: ({ name, summary }) => {
      said.push(`+${name}`);
      summaries.push(summary);
    },
    resolve: (name) => void said.push(`-${name}`),
  };
  return { said, summaries, alerts };
}

async function watched(options: Partial<RuntimeOptions> = {}) {
  const heard = listening();
  return { ...(await runtimeUnderTest({ ...options, alerts: heard.alerts })), ...heard };
}

const call = (toolCallId: string) => ({ type: "tool_executing", data: { toolCallId, toolName: "search" } });
const done = (toolCallId: string) => ({ type: "tool_completed", data: { toolCallId, status: "ok" } });

describe("the alert rules", () => {
  it("ask for metrics that there are, and name each condition once", () => {
    const known = new Set(metrics.map(({ name }) => name));
    for (const { expression } of alertRules) {
      const terms = "share" in expression ? [expression.share, expression.of] : [expression];
      for (const term of terms) expect(known).toContain("now" in term ? term.now : term.growth);
    }
    expect(new Set(alertRules.map(({ name }) => name)).size).toBe(alertRules.length);
  });

  it("say nothing of a server that is well", async () => {
    const world = await watched();
    const tab = await world.connect("alice");
    const { runId, fence } = await world.start();
    for (let step = 0; step < 20; step += 1) {
      const { offset } = await world.publish(runId, fence, [note()]);
      tab.say({ type: "ack", offset });
      await world.clock.advance(10_000);
    }
    expect(world.said).toEqual([]);
  });
});

describe("DeliveryBelow95", () => {
  it("is raised when connected devices cannot take what they are due, and resolved when they have", async () => {
    const world = await watched({ windowEvents: 4, leaseMs: 3_600_000 });
    const tab = await world.connect("alice", { from: "now" });
    const { runId, fence } = await world.start();
    for (let step = 0; step < 10; step += 1) await world.publish(runId, fence, [note(), note()]);
    await world.clock.advance(50_000);
    expect(world.said).toEqual([]);
    await world.publish(runId, fence, [note()]);
    await world.clock.advance(15_000);
    expect(world.said).toEqual(["+DeliveryBelow95"]);
    expect(world.summaries[0]).toMatch(/were due within 5 minutes, \d+ % were handed over/);
    for (let turn = 0; turn < 30; turn += 1) {
      tab.say({ type: "ack", offset: tab.events().at(-1)?.offset ?? 0 });
      await world.settle();
    }
    await world.publish(runId, fence, [note()]);
    await world.clock.advance(25_000);
    await world.publish(runId, fence, [note()]);
    await world.clock.advance(25_000);
    await world.publish(runId, fence, [note()]);
    await world.clock.advance(25_000);
    expect(world.said).toEqual(["+DeliveryBelow95", "-DeliveryBelow95"]);
  });
});

describe("BreakerOpen", () => {
  it("is raised for the breaker that does not close for a minute, not for one that does", async () => {
    const world = await watched();
    const breaker = world.parts.breakers.of("email");
    const fail = (): void => {
      for (let count = 0; count < 5; count += 1) breaker.enter()?.failed();
    };
    fail();
    await world.clock.advance(31_000);
    breaker.enter()?.succeeded();
    breaker.enter()?.succeeded();
    expect(breaker.state).toBe("closed");
    await world.clock.advance(60_000);
    expect(world.said).toEqual([]);
    fail();
    await world.clock.advance(31_000);
    breaker.enter()?.failed();
    await world.clock.advance(31_000);
    breaker.enter()?.failed();
    await world.clock.advance(6_000);
    expect(world.said).toEqual(["+BreakerOpen"]);
    expect(world.summaries[0]).toContain("the breaker email has not been closed");
    breaker.reset();
    await world.clock.advance(6_000);
    expect(world.said).toEqual(["+BreakerOpen", "-BreakerOpen"]);
  });
});

describe("RunStalled", () => {
  it("is raised with the first run whose runner is silent, and resolved after the last has ended", async () => {
    const world = await watched({ leaseMs: 5_000, graceMs: 20_000 });
    await world.start();
    await world.start();
    await world.clock.advance(11_000);
    expect(world.said).toEqual(["+RunStalled"]);
    expect(world.parts.service.stats().stalledRuns).toBe(2);
    await world.clock.advance(100_000);
    expect(world.said).toEqual(["+RunStalled", "-RunStalled"]);
    expect(world.parts.service.stats().stalledRuns).toBe(0);
  });
});

describe("ToolOpenTooLong", () => {
  it("is raised for a call that is open for longer than 60 s, and resolved when it completes", async () => {
    const world = await watched({ leaseMs: 600_000 });
    const { runId, fence } = await world.start();
    await world.publish(runId, fence, [call("c1")]);
    await world.clock.advance(59_000);
    expect(world.said).toEqual([]);
    await world.clock.advance(6_000);
    expect(world.said).toEqual(["+ToolOpenTooLong"]);
    expect(world.parts.service.stats().overdueToolCalls).toBe(1);
    await world.publish(runId, fence, [done("c1")]);
    await world.clock.advance(5_000);
    expect(world.said).toEqual(["+ToolOpenTooLong", "-ToolOpenTooLong"]);
  });

  it("knows calls apart: many short ones are no long one", async () => {
    const world = await watched({ leaseMs: 600_000 });
    const { runId, fence } = await world.start();
    for (let turn = 0; turn < 10; turn += 1) {
      await world.publish(runId, fence, [call(`c${turn}`)]);
      await world.clock.advance(15_000);
      await world.publish(runId, fence, [done(`c${turn}`)]);
    }
    expect(world.said).toEqual([]);
  });

  it("does not count the time in which the run waits for a human", async () => {
    const world = await watched({ leaseMs: 600_000 });
    const { runId, fence } = await world.start();
    const approvals = [{ approvalId: "a1", prompt: "May I?", expiresAt: "2027-01-01T00:00:00.000Z" }];
    await world.publish(runId, fence, [call("c1"), { type: "agent_suspended", data: { reason: "asks", approvals } }]);
    await world.clock.advance(300_000);
    expect(world.said).toEqual([]);
    await world.publish(runId, fence, [
      { type: "approval_resolved", data: { approvalId: "a1", decision: "approve", by: "user" } },
      { type: "agent_resumed", data: {} },
    ]);
    await world.clock.advance(50_000);
    expect(world.said).toEqual([]);
    await world.clock.advance(20_000);
    expect(world.said).toEqual(["+ToolOpenTooLong"]);
  });

  it("ends with the run", async () => {
    const world = await watched({ leaseMs: 600_000 });
    const { runId, fence } = await world.start();
    await world.publish(runId, fence, [call("c1")]);
    await world.clock.advance(70_000);
    const error = { code: "died", message: "it died", retryable: false };
    await world.publish(runId, fence, [{ type: "agent_failed", data: { error } }]);
    await world.clock.advance(5_000);
    expect(world.said).toEqual(["+ToolOpenTooLong", "-ToolOpenTooLong"]);
  });
});

describe("LogDown", () => {
  it("is raised when a write was not taken, and resolved with the next one that is", async () => {
    const log = faultyLog(memoryLog());
    const world = await watched({ log });
    log.failAppend("before");
    await world.start().catch(() => {});
    await world.clock.advance(6_000);
    expect(world.said).toEqual(["+LogDown"]);
    await world.start();
    await world.clock.advance(6_000);
    expect(world.said).toEqual(["+LogDown", "-LogDown"]);
  });
});

describe("LedgerDifference", () => {
  it("is raised when the log has lost something, after a second look", async () => {
    const memory = memoryLog();
    let lost = 0;
    const ledger = async () => ({ ...(await memory.ledger()), accepted: (await memory.ledger()).accepted + lost });
    const world = await watched({ log: { ...memory, ledger } });
    await world.clock.advance(31_000);
    expect(world.parts.service.figures().ledger).toMatchObject({ difference: 0 });
    lost = 3;
    await world.clock.advance(599_000);
    expect(world.said).toEqual([]);
    await world.clock.advance(10_000);
    expect(world.said).toEqual(["+LedgerDifference"]);
    lost = 0;
    await world.clock.advance(610_000);
    expect(world.said).toEqual(["+LedgerDifference", "-LedgerDifference"]);
  });
});

describe("LoopDelay", () => {
  it("is raised when the event loop is late for a minute, and not for a moment", async () => {
    let p99 = 0.5;
    const world = await watched({ loopDelay: () => ({ p50: 0, p99, max: 1 }) });
    await world.clock.advance(30_000);
    p99 = 0.01;
    await world.clock.advance(30_000);
    expect(world.said).toEqual([]);
    p99 = 0.25;
    await world.clock.advance(71_000);
    expect(world.said).toEqual(["+LoopDelay"]);
    expect(world.summaries[0]).toContain("late by 0.25 seconds");
  });
});

describe("ContaminationRefused", () => {
  it("is raised at once, and resolved when none has come for five minutes", async () => {
    const world = await watched({ leaseMs: 3_600_000 });
    const { runId, fence } = await world.start();
    const stranger = { type: "agent_progress", data: { message: "x", userId: "bob" } };
    await world.publish(runId, fence, [stranger]).catch(() => {});
    await world.clock.advance(6_000);
    expect(world.said).toEqual(["+ContaminationRefused"]);
    await world.clock.advance(280_000);
    expect(world.said).toEqual(["+ContaminationRefused"]);
    await world.clock.advance(20_000);
    expect(world.said).toEqual(["+ContaminationRefused", "-ContaminationRefused"]);
  });
});
