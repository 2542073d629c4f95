import { describe, expect, it } from "vitest";
import { asTenantId, asUserId, defaultTenant, streamKey } from "../../protocol/ids.ts";
import type { ChannelName } from "../../src/fallback/channel.ts";
import { memoryLog } from "../../src/log/memory.ts";
import type { OutboxRow } from "../../src/log/outbox.ts";
import type { EscalationOptions } from "../../src/runtime/escalation-policy.ts";
import type { RuntimeOptions } from "../../src/runtime/options.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";
import { eventually } from "../support/eventually.ts";
import { faultyLog } from "../support/faulty-log.ts";
import { publisher, type RuntimeUnderTest, runtimeUnderTest } from "../support/runtime-under-test.ts";
import { keptAlerts, scriptedChannel } from "../support/scripted-channels.ts";

const alice = streamKey(defaultTenant, asUserId("alice"));
const ackWaitMs = 30_000;
const approvalWaitMs = 10_000;

/** All channels, a runtime over them, and what became of its rows. */
async function house(more: Partial<RuntimeOptions> = {}, escalation: EscalationOptions = {}) {
  const channels = {
    push: scriptedChannel("web-push"),
    webhook: scriptedChannel("webhook"),
    email: scriptedChannel("email"),
    sms: scriptedChannel("sms"),
  };
  const alerts = keptAlerts();
  const log = more.log ?? memoryLog();
  const runtime = await runtimeUnderTest({
    channels: Object.values(channels),
    alerts,
    escalation,
    ...more,
    log,
  });
  const rows = async (): Promise<readonly OutboxRow[]> => (await log.outbox({ limit: 100 })).rows;
  const called = () =>
    Object.values(channels).flatMap(({ name, calls }) => calls.map(({ eventType }) => `${name} ${eventType}`));
  const pass = async (ms: number): Promise<void> => {
    await runtime.clock.advance(ms);
    await runtime.settle();
  };
  return { ...runtime, channels, alerts, rows, called, pass };
}
type House = Awaited<ReturnType<typeof house>>;

async function finishedRun(run: RuntimeUnderTest, body = {}): Promise<{ runId: string; fence: number }> {
  const { runId, fence } = await run.start(body);
  await run.publish(runId, fence, [{ type: "agent_completed", data: { output: "42" } }]);
  return { runId, fence };
}
const states = async ({ rows }: House) => (await rows()).map(({ state }) => state);
const figures = ({ parts }: House) => parts.service.figures().fallback;

describe("escalations", () => {
  it("tell a user who does not look, by the first channel that takes it, after the wait and not before", async () => {
    const run = await house({}, { publicUrl: "https://app.example/" });
    const { runId } = await finishedRun(run);
    await run.pass(ackWaitMs - 100);
    expect(run.called()).toEqual([]);
    expect(await states(run)).toEqual(["waiting"]);
    await run.pass(200);
    expect(run.called()).toEqual(["web-push agent_completed"]);
    const [row] = await run.rows();
    expect(run.channels.push.told).toEqual([
      {
        id: row?.eventId,
        tenantId: "default",
        userId: "alice",
        eventType: "agent_completed",
        offset: 2,
        runId,
        threadId: undefined,
        time: row?.time,
        title: "Your agent has finished",
        text: "Its answer is there. Open it whenever you like.",
        url: `https://app.example/#thread=${runId}`,
      },
    ]);
    expect(row).toMatchObject({ state: "told" });
    expect(JSON.parse(row?.note ?? "")).toMatchObject({
      told: { channel: "web-push", by: "web-push.example" },
      attempts: 1,
    });
    await run.pass(10 * ackWaitMs);
    expect(run.called().length).toBe(1);
    expect(figures(run)).toMatchObject({ pending: 0, told: new Map([["web-push", 1]]), acked: 0 });
  });

  it("tell nobody who has acknowledged, on whichever device", async () => {
    const run = await house();
    const tab = await run.connect("alice", { from: "start", device: "tab" });
    await finishedRun(run);
    await run.settle();
    await run.pass(ackWaitMs - 100);
    tab.say({ type: "ack", offset: 2 });
    await run.pass(2 * ackWaitMs);
    expect(run.called()).toEqual([]);
    expect(await run.rows()).toEqual([]);
    expect(figures(run)).toMatchObject({ pending: 0, acked: 1 });
  });

  it("stand down for who comes back from behind it: resuming at N acknowledges up to N", async () => {
    const run = await house();
    const { epoch } = await run.start();
    await run.call(run.parts.service.notify(publisher, { userId: "alice", type: "x.news", data: {}, critical: true }));
    await run.connect("alice", { cursor: { epoch: epoch as never, offset: 1 }, device: "old" });
    expect(await states(run)).toEqual(["waiting"]);
    await run.connect("alice", { cursor: { epoch: epoch as never, offset: 2 }, device: "new" });
    await run.pass(ackWaitMs + 100);
    expect(run.called()).toEqual([]);
    expect(await run.rows()).toEqual([]);
  });

  it("climb: what is absent or fails is followed by the next, and the operator hears when all are dead", async () => {
    const run = await house();
    const { push, webhook, email, sms } = run.channels;
    push.answers = "absent";
    webhook.answers = "failed";
    email.answers = "failed";
    sms.answers = "failed";
    await finishedRun(run);
    await run.pass(ackWaitMs + 100);
    expect(run.called().map((call) => call.split(" ")[0])).toEqual(["web-push", "webhook", "email", "sms"]);
    expect(await states(run)).toEqual(["exhausted"]);
    expect(run.alerts.holding.get("AllRungsDead")).toMatchObject({ severity: "critical" });
    expect(run.alerts.holding.get("AllRungsDead")?.summary).toContain("webhook, email, sms failed");
    // The event itself is where it was.
    expect(await run.log.ledger(alice)).toMatchObject({ accepted: 2, stored: 2, deadLettered: 0 });
    // It is not forgotten: a round later the ladder stands again.
    sms.answers = "told";
    await run.pass(60_000);
    await run.pass(60_000);
    expect(sms.told.length).toBe(1);
    expect(await states(run)).toEqual(["told"]);
    expect(run.alerts.holding.has("AllRungsDead")).toBe(false);
  });

  it("say aloud that a user has no address anywhere", async () => {
    const run = await house();
    for (const channel of Object.values(run.channels)) channel.answers = "absent";
    await finishedRun(run);
    await run.pass(ackWaitMs + 100);
    expect(await states(run)).toEqual(["exhausted"]);
    expect(run.alerts.holding.get("UserUnreachable")).toMatchObject({ severity: "warning" });
    expect(run.alerts.holding.has("AllRungsDead")).toBe(false);
    // Once a device has it, there is nothing left to say.
    const tab = await run.connect("alice", { from: "start" });
    tab.say({ type: "ack", offset: 2 });
    await run.pass(40_000);
    await run.pass(40_000);
    expect(await run.rows()).toEqual([]);
    expect(run.alerts.holding.has("UserUnreachable")).toBe(false);
  });

  it("stop where an ack arrives while a rung is tried; the late result is written down and not doubled", async () => {
    for (const late of ["told", "failed"] as const) {
      const run = await house();
      const tab = await run.connect("alice", { from: "start" });
      run.channels.push.answers = "held";
      await finishedRun(run);
      await run.pass(ackWaitMs + 100);
      expect(await states(run)).toEqual(["trying"]);
      tab.say({ type: "ack", offset: 2 });
      await run.pass(1_000);
      run.channels.push.answer(late);
      await run.settle();
      expect(run.called()).toEqual(["web-push agent_completed"]);
      const rows = await run.rows();
      expect(rows.map(({ state }) => state)).toEqual(late === "told" ? ["told"] : []);
      if (late === "told") expect(JSON.parse(rows[0]?.note ?? "")).toMatchObject({ acked: true });
      expect(figures(run)).toMatchObject({ acked: 1, pending: 0 });
      // One terminal state: it is acknowledged, whatever was told beside it.
      expect(await run.log.ledger(alice)).toMatchObject({ accepted: 2, acked: 2, stored: 0 });
    }
  });

  it("call nobody when the ack arrives while the try is being written down", async () => {
    const run = await house();
    const tab = await run.connect("alice", { from: "start" });
    await finishedRun(run);
    void run.clock.advance(ackWaitMs + 100);
    // The move is under way, and not one turn has passed.
    tab.say({ type: "ack", offset: 2 });
    await run.pass(1_000);
    expect(run.called()).toEqual([]);
    expect(await run.rows()).toEqual([]);
  });

  it("are for ends of runs without a parent, approvals and notices that say so, and for nothing else", async () => {
    const run = await house();
    const { runId, fence } = await run.start();
    const child = await run.start({ parentRunId: runId });
    await run.publish(child.runId, child.fence, [{ type: "agent_thinking", data: {} }]);
    await run.publish(child.runId, child.fence, [{ type: "agent_completed", data: {} }]);
    await run.publish(runId, fence, [{ type: "agent_suspended", data: { reason: "waits" } }]);
    await run.publish(runId, fence, [{ type: "agent_resumed", data: {} }]);
    const approvals = [{ approvalId: "a", prompt: "Buy?" }];
    await run.publish(runId, fence, [{ type: "agent_suspended", data: { reason: "asks", approvals } }]);
    const notice = { userId: "alice", type: "x.news", data: {} } as const;
    await run.call(run.parts.service.notify(publisher, notice));
    await run.call(run.parts.service.notify(publisher, { ...notice, critical: true }));
    expect((await run.rows()).map(({ type }) => type)).toEqual(["agent_suspended", "x.news"]);
    // Who waits for a decision is told sooner.
    await run.pass(approvalWaitMs + 100);
    expect(run.called()).toEqual(["web-push agent_suspended"]);
    await run.pass(ackWaitMs);
    expect(run.called()).toEqual(["web-push agent_suspended", "web-push x.news"]);
  });

  it("write no row where there is no channel, where the type is not critical, and for whom no channel is meant", async () => {
    const rowsOf = async (more: Partial<RuntimeOptions>, escalation?: EscalationOptions) => {
      const run = await house(more, escalation);
      await finishedRun(run);
      return (await run.rows()).length;
    };
    expect(await rowsOf({ channels: [] })).toBe(0);
    expect(await rowsOf({}, { critical: ["agent_failed"] })).toBe(0);
    expect(await rowsOf({}, { policyOf: () => ({ emergency: [], alternative: [] }) })).toBe(0);
    expect(await rowsOf({}, { critical: ["agent_completed"] })).toBe(1);
  });

  it("follow the policy of the user: other rungs, other waits, all of rung 4 at once", async () => {
    const policyOf: EscalationOptions["policyOf"] = (_tenantId, userId) =>
      userId === asUserId("alice")
        ? { ackWaitMs: 1_000, emergency: ["webhook", "web-push"], parallel: true }
        : { emergency: [], alternative: ["sms" satisfies ChannelName] };
    const run = await house({}, { policyOf });
    await finishedRun(run);
    await finishedRun(run, { userId: "bob" });
    await run.pass(1_100);
    expect(run.called()).toEqual(["web-push agent_completed", "webhook agent_completed"]);
    expect(await states(run)).toEqual(["told", "waiting"]);
    await run.pass(ackWaitMs);
    expect(run.channels.sms.told.map(({ userId }) => userId)).toEqual(["bob"]);
  });

  it("follow the tier of the user, and say of single users what is different", async () => {
    const run = await house(
      {
        tiers: {
          users: { default: { alice: "free", bob: "early" } },
          tiers: {
            free: { escalation: { ackWaitMs: 1_000, emergency: ["webhook"] } },
            early: { escalation: { emergency: [], alternative: [] } },
          },
        },
      },
      { policyOf: (_tenantId, userId) => (userId === asUserId("carol") ? { emergency: ["webhook"] } : {}) },
    );
    await finishedRun(run);
    await finishedRun(run, { userId: "bob" });
    await finishedRun(run, { userId: "carol" });
    // For whom no channel is meant there is nothing to wait for.
    expect((await run.rows()).map(({ stream }) => stream)).toEqual(
      ["alice", "carol"].map((user) => streamKey(defaultTenant, asUserId(user))),
    );
    await run.pass(1_100);
    expect(run.called()).toEqual(["webhook agent_completed"]);
    await run.pass(ackWaitMs);
    expect(run.called()).toEqual(["webhook agent_completed", "webhook agent_completed"]);
  });

  it("do not call a channel that its flag has switched off", async () => {
    const run = await house();
    await run.call(run.parts.service.setFlags(publisher, { "fallbacks.webPush": false }));
    await finishedRun(run);
    await run.pass(ackWaitMs + 100);
    expect(run.called()).toEqual(["webhook agent_completed"]);
  });

  it("leave a channel alone whose breaker is open, and go on with the next", async () => {
    const run = await house({ breakers: { "web-push": { maxFailures: 1, openMs: 600_000 } } });
    run.channels.push.answers = "failed";
    await finishedRun(run);
    await run.pass(ackWaitMs + 100);
    await finishedRun(run);
    await run.pass(ackWaitMs + 100);
    expect(run.channels.push.calls.length).toBe(1);
    expect(run.channels.webhook.told.length).toBe(2);
    expect(figures(run).failed).toEqual(new Map([["web-push", 1]]));
  });

  it("give up a call that does not end, and go on with the next", async () => {
    const run = await house();
    run.channels.push.answers = "held";
    await finishedRun(run);
    await run.pass(ackWaitMs + 100);
    await run.pass(30_100);
    expect(run.called()).toEqual(["web-push agent_completed", "webhook agent_completed"]);
    expect(await states(run)).toEqual(["told"]);
  });

  it("drop what waits for a user who may not be told any more, and call nobody else for what is under way", async () => {
    const run = await house();
    run.channels.push.answers = "held";
    await finishedRun(run);
    await run.pass(ackWaitMs + 100);
    await finishedRun(run);
    await finishedRun(run, { userId: "bob" });
    expect(await run.call(run.parts.service.revoke(publisher, { userId: "alice" }))).toMatchObject({ notices: 1 });
    run.channels.push.answer("failed");
    await run.pass(ackWaitMs + 100);
    run.channels.push.answer("told");
    await run.settle();
    expect(run.called()).toEqual(["web-push agent_completed", "web-push agent_completed"]);
    expect(run.channels.push.told.map(({ userId }) => userId)).toEqual(["bob"]);
    expect((await run.rows()).map(({ stream }) => stream)).toEqual([streamKey(asTenantId("default"), asUserId("bob"))]);
  });

  it("do not send a mail again that a dead process may have sent; the operator hears of it, and not for ever", async () => {
    const log = memoryLog();
    const before = await house({ log });
    before.channels.push.answers = "absent";
    before.channels.webhook.answers = "absent";
    before.channels.email.answers = "held";
    await finishedRun(before);
    await before.pass(ackWaitMs + 100);
    expect(before.channels.email.calls.length).toBe(1);
    // Another process over the same store, and the first one is never heard of again.
    const after = await house({ log });
    await after.pass(100);
    expect(after.called()).toEqual([]);
    expect((await after.rows()).map(({ state, note }) => [state, JSON.parse(note).inDoubt])).toEqual([["told", true]]);
    expect(after.alerts.holding.get("NoticeInDoubt")).toMatchObject({ severity: "warning" });
    await after.pass(61_000);
    expect(after.alerts.holding.has("NoticeInDoubt")).toBe(false);
  });

  it("wait for a log that is down before they call anybody, and write down then what was told", async () => {
    const log = faultyLog(memoryLog());
    const run = await house({ log });
    await finishedRun(run);
    log.setDown(true);
    await run.pass(ackWaitMs + 100);
    await run.pass(5_000);
    expect(run.called()).toEqual([]);
    log.setDown(false);
    run.channels.push.answers = "held";
    await run.pass(1_100);
    expect(run.called().length).toBe(1);
    log.setDown(true);
    run.channels.push.answer("told");
    await run.pass(5_000);
    log.setDown(false);
    await run.pass(1_100);
    expect(await states(run)).toEqual(["told"]);
    expect(run.called().length).toBe(1);
  });

  it("keep thousands of rows on a few entries of the wheel, and tell them few at a time", async () => {
    const clock = manualClock();
    const run = await house({ clock });
    const { service } = run.parts;
    const count = 3_000;
    for (let index = 0; index < count; index += 1) {
      if (index % 100 === 0) clock.jump(10);
      await run.call(
        service.notify(publisher, { userId: `user ${index % 1_000}`, type: "x.news", data: {}, critical: true }),
      );
    }
    expect(figures(run).pending).toBe(count);
    run.channels.push.answers = "held";
    await run.pass(ackWaitMs + 1_000);
    expect(run.channels.push.calls.length).toBe(32);
    run.channels.push.answers = "told";
    run.channels.push.answer("told");
    await eventually(() => expect(run.channels.push.told.length).toBe(count));
    expect(new Set(run.channels.push.told.map(({ id }) => id)).size).toBe(count);
  });
});
