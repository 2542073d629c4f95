import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Started } from "../../support/black-box.ts";
import { BlackBox, done, refused, isoTime, thinking } from "../../support/black-box.ts";
import { apiKeys, userToken } from "../../support/built-server.ts";
import type { HttpAnswer } from "../../support/http-reader.ts";

let box: BlackBox;
let alice: string;
let bob: string;

beforeAll(async () => {
  box = await BlackBox.start();
  alice = await userToken("alice");
  bob = await userToken("bob");
});
afterAll(() => box[Symbol.asyncDispose]());

describe("the other calls of a run", () => {
  it("heartbeat renews the lease and tells of a wish to stop", async () => {
    const run = await box.start({ leaseMs: 60_000 });
    const beat = await box.publish(`runs/${run.runId}/heartbeat`, { fence: run.fence });
    expect(beat.body).toEqual({ leaseUntil: expect.stringMatching(isoTime) });
    expect(Date.parse(beat.body.leaseUntil) - Date.now()).toBeGreaterThan(50_000);
    expect(
      (await box.call(`POST /v1/runs/${run.runId}/cancel`, { as: alice, body: { reason: "enough" } })).status,
    ).toBe(202);
    expect((await box.publish(`runs/${run.runId}/heartbeat`, { fence: run.fence })).body.cancelRequested).toBe(true);
    await box.say(run, [{ type: "cancel_refused", data: { reason: "nearly done" } }]);
    expect((await box.publish(`runs/${run.runId}/heartbeat`, { fence: run.fence })).body).not.toHaveProperty(
      "cancelRequested",
    );
  });

  it("cancel is written at once, and at its deadline the supervisor ends the run", async () => {
    const run = await box.start();
    expect((await box.publish(`runs/${run.runId}/cancel`, { deadlineMs: 0, reason: "now" })).status).toBe(202);
    await expect
      .poll(async () => (await box.call(`GET /v1/runs/${run.runId}`, { as: alice })).body.state)
      .toBe("cancelled");
    const events = await box.eventsOf(run);
    expect(events.map(({ type }: { type: string }) => type)).toEqual([
      "agent_started",
      "cancel_requested",
      "agent_cancelled",
    ]);
    expect(refused(await box.publish(`runs/${run.runId}/cancel`, { deadlineMs: -1 }))).toMatchObject({
      status: 400,
      code: "invalid",
      details: {
        path: "deadlineMs",
      },
    });
  });

  it("approvals take the first answer, and tell the second one what it was", async () => {
    const approvalId = `ap-${randomUUID()}`;
    const run = await box.start();
    const approvals = [{ approvalId, prompt: "Delete it?" }];
    await box.say(run, [{ type: "agent_suspended", data: { reason: "approval", approvals } }]);
    const foreign = await box.call(`POST /v1/approvals/${approvalId}`, { as: bob, body: { decision: "approve" } });
    const none = await box.call("POST /v1/approvals/none", { as: bob, body: { decision: "approve" } });
    expect(refused(foreign)).toMatchObject({ status: 404, code: "not_found" });
    expect(foreign.text).toBe(none.text);
    expect(
      refused(await box.call(`POST /v1/approvals/${approvalId}`, { as: alice, body: { decision: "maybe" } })),
    ).toMatchObject({ status: 400, code: "invalid" });
    expect((await box.call(`POST /v1/approvals/${approvalId}`, { as: alice, body: { decision: "deny" } })).status).toBe(
      200,
    );
    const late = await box.call(`POST /v1/approvals/${approvalId}`, { as: alice, body: { decision: "approve" } });
    expect(refused(late)).toMatchObject({
      status: 409,
      code: "already_resolved",
      details: { resolution: { decision: "deny" } },
    });
    expect((await box.say(run, [{ type: "agent_resumed", data: {} }, done])).status).toBe(200);
    expect(
      refused(await box.call(`POST /v1/approvals/${approvalId}`, { as: alice, body: { decision: "deny" } })),
    ).toMatchObject({ status: 409, code: "already_resolved" });
  });
});

describe("POST /v1/notices", () => {
  it("writes an event without a run, and counts what became of it", async () => {
    const body = { userId: "nora", type: "x.greeting", data: { text: "hi" }, key: "n1" };
    const first = await box.publish("notices", body);
    expect([first.status, first.body]).toEqual([
      200,
      {
        userId: "nora",
        eventType: "x.greeting",
        offset: 1,
        connectionsAttempted: 0,
        successfulSends: 0,
        acknowledged: 0,
        errors: [],
      },
    ]);
    expect((await box.publish("notices", body)).body.offset).toBe(1);
    expect(refused(await box.publish("notices", { ...body, data: { text: "else" } }))).toMatchObject({
      status: 409,
      code: "key_conflict",
    });
    const { events } = (await box.call("GET /v1/events", { as: await userToken("nora") })).body;
    expect(events).toEqual([
      { id: expect.any(String), type: "x.greeting", offset: 1, time: expect.any(String), data: body.data },
    ]);
  });

  it.each([
    ["a type that is not the application's", { type: "agent_started" }, 400, "invalid"],
    ["no data", { data: undefined }, 400, "invalid"],
    ["a wait above ten seconds", { ackWaitMs: 10_001 }, 400, "invalid"],
    ["somebody else's name in it", { data: { recipientId: "bob" } }, 422, "contaminated"],
  ])("refuses %s", async (_, change, status, code) => {
    expect(refused(await box.publish("notices", { userId: "nora", type: "x.a", data: {}, ...change }))).toMatchObject({
      status,
      code,
    });
  });
});

describe("the reads", () => {
  it("page through lists with dense offsets, `next` null at the end", async () => {
    const token = await userToken("pat");
    const runs: Started[] = [];
    for (let number = 0; number < 3; number += 1) {
      const run = await box.start({ userId: "pat" });
      await box.say(run, [thinking, done]);
      runs.push(run);
    }
    const offsets: number[] = [];
    const pages: (number | null)[] = [];
    for (let after: number | null = 0; after !== null; ) {
      const { body }: HttpAnswer = await box.call(`GET /v1/events?after=${after}&limit=4`, { as: token });
      offsets.push(...body.events.map(({ offset }: { offset: number }) => offset));
      pages.push(body.next);
      after = body.next;
    }
    expect(offsets).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(pages).toEqual([4, 8, null]);
    expect((await box.call("GET /v1/events?after=9", { as: token })).body).toEqual({ events: [], next: null });
    const beyond = { from: 1, upto: 9, reason: "ahead" };
    expect((await box.call("GET /v1/events?after=900", { as: token })).body).toEqual({
      events: [],
      next: null,
      gap: beyond,
    });
    expect((await box.call("GET /v1/events?limit=9", { as: token })).body.next).toBeNull();

    const { runs: newest, next } = (await box.call("GET /v1/runs?limit=2", { as: token })).body;
    expect(newest.map(({ runId }: Started) => runId)).toEqual([runs[2]?.runId, runs[1]?.runId]);
    const rest = (await box.call(`GET /v1/runs?limit=2&after=${encodeURIComponent(next)}`, { as: token })).body;
    expect([rest.runs.map(({ runId }: Started) => runId), rest.next]).toEqual([[runs[0]?.runId], null]);
    const ofRun = (await box.call(`GET /v1/runs/${runs[1]?.runId}/events?after=1&limit=1`, { as: token })).body;
    expect(ofRun).toMatchObject({ events: [{ seq: 2, offset: 5 }], next: 2 });
  });

  it.each([
    "limit=0",
    "limit=1001",
    "limit=-1",
    "limit=1.5",
    "limit=abc",
    "limit=",
    "after=-1",
    "after=x",
    "limit=1e2",
  ])("are 400 beyond their bounds: %s", async (query) => {
    const path = query.split("=")[0];
    expect(refused(await box.call(`GET /v1/events?${query}`, { as: alice }))).toMatchObject({
      status: 400,
      code: "invalid",
      details: { path },
    });
  });

  it("take a thousand at most, a hundred by default", async () => {
    const token = await userToken("max");
    const run = await box.start({ userId: "max" });
    await box.say(
      run,
      Array.from({ length: 1_000 }, () => thinking),
    );
    expect((await box.call("GET /v1/events", { as: token })).body.events).toHaveLength(100);
    const whole = (await box.call("GET /v1/events?limit=1000", { as: token })).body;
    expect([whole.events.length, whole.next]).toEqual([1_000, 1_000]);
    expect(
      refused(
        await box.say(
          run,
          Array.from({ length: 1_001 }, () => thinking),
        ),
      ),
    ).toMatchObject({ status: 400, code: "invalid" });
  });

  it("are for the owner, and for admins who name whom they mean", async () => {
    const mine = await box.start({ userId: "olga" });
    const olga = await userToken("olga");
    for (const path of ["/v1/runs", "/v1/events", `/v1/runs/${mine.runId}`, `/v1/runs/${mine.runId}/events`]) {
      expect(refused(await box.call(`GET ${path}`))).toMatchObject({ status: 401, code: "unauthenticated" });
      expect(refused(await box.call(`GET ${path}`, { as: apiKeys.publish }))).toMatchObject({
        status: 403,
        code: "forbidden",
      });
      expect((await box.call(`GET ${path}`, { as: olga })).status).toBe(200);
      const byAdmin = await box.call(`GET ${path}?userId=olga`, { as: apiKeys.admin });
      expect([byAdmin.status, byAdmin.body]).toEqual([200, (await box.call(`GET ${path}`, { as: olga })).body]);
    }
    expect(refused(await box.call("GET /v1/events?userId=alice", { as: olga }))).toMatchObject({
      status: 403,
      code: "forbidden",
    });
    expect((await box.call("GET /v1/events?userId=olga", { as: olga })).status).toBe(200);
  });

  it("show the ledger to admins only, and it balances", async () => {
    const run = await box.start({ userId: "len" });
    await box.say(run, [thinking, done]);
    const { body } = await box.call("GET /v1/ledger?userId=len", { as: apiKeys.admin });
    expect(body).toEqual({ accepted: 3, acked: 0, stored: 3, deadLettered: 0, difference: 0 });
    expect(refused(await box.call("GET /v1/ledger", { as: alice }))).toMatchObject({ status: 403, code: "forbidden" });
    expect(refused(await box.call("GET /v1/ledger", { as: apiKeys.publish }))).toMatchObject({
      status: 403,
      code: "forbidden",
    });
    expect((await box.call("GET /v1/ledger", { as: apiKeys.admin })).body.difference).toBe(0);
  });
});
