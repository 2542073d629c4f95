import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BlackBox, completed, done, executing, refused, thinking } from "../../support/black-box.ts";
import { apiKeys, userToken } from "../../support/built-server.ts";

let box: BlackBox;
let alice: string;
let bob: string;

beforeAll(async () => {
  box = await BlackBox.start();
  alice = await userToken("alice");
  bob = await userToken("bob");
});
afterAll(() => box[Symbol.asyncDispose]());

describe("POST /v1/runs/{id}/events", () => {
  it("answers the last event's seq and offset, and writes all of a batch", async () => {
    const run = await box.start();
    const answer = await box.say(run, [
      thinking,
      executing("c1"),
      executing("c2"),
      completed("c2"),
      completed("c1"),
      done,
    ]);
    expect([answer.status, answer.body]).toEqual([200, { seq: 7, offset: run.offset + 6, duplicates: 0 }]);
    expect((await box.call(`GET /v1/runs/${run.runId}`, { as: alice })).body.state).toBe("completed");
  });

  it("writes nothing of a batch with an illegal event, and says where, in which state, and what is legal", async () => {
    const run = await box.start();
    const answer = await box.say(run, [thinking, executing("c1"), done]);
    expect(refused(answer)).toMatchObject({
      status: 409,
      code: "illegal_transition",
      details: { index: 2, state: "toolExecuting", event: "agent_completed" },
    });
    const { legal } = answer.body.error.details;
    expect(legal).toEqual(
      expect.arrayContaining(["tool_completed", "tool_executing", "agent_thinking", "agent_failed"]),
    );
    expect(legal).not.toContain("agent_completed");
    expect(legal).not.toContain("agent_started");
    expect((await box.eventsOf(run)).length).toBe(1);
  });

  it.each([
    ["strict", "from started", [executing("c1")]],
    ["strict", "to the end from started", [done]],
    ["strict", "for a call that never ran", [thinking, completed("c9", "denied")]],
    ["standard", "for a call that nobody made", [thinking, completed("c9")]],
    ["standard", "to start again", [{ type: "agent_started", data: { agent: "a" } }]],
    [
      "standard",
      "to run a closed call again under the same attempt",
      [executing("c1"), completed("c1"), executing("c1")],
    ],
    ["standard", "to resume what is not suspended", [{ type: "agent_resumed", data: {} }]],
    [
      "standard",
      "to interrupt, which is the supervisor's",
      [{ type: "agent_interrupted", data: { reason: "shutdown" } }],
    ],
    ["standard", "to go on after the end in one batch", [done, thinking]],
  ])("is 409 in profile %s: %s", async (profile, _, events) => {
    expect(refused(await box.say(await box.start({ profile }), events))).toMatchObject({
      status: 409,
      code: "illegal_transition",
      details: {
        event: expect.any(String),
      },
    });
  });

  it.each([
    ["standard", [executing("c1"), completed("c1"), executing("c1", 2), completed("c1"), done]],
    ["standard", [done]],
    [
      "standard",
      [{ type: "tool_proposed", data: { toolCallId: "c1", toolName: "t" } }, completed("c1", "denied"), done],
    ],
    ["strict", [thinking, thinking, executing("a"), thinking, executing("b"), completed("b"), completed("a"), done]],
    ["strict", [thinking, done]],
    [
      "strict",
      [
        thinking,
        { type: "x.my-own", data: { any: [1] } },
        { type: "agent_failed", data: { error: { code: "e", message: "m" } } },
      ],
    ],
  ])("is 200 in profile %s for a legal word (%#)", async (profile, events) => {
    const answer = await box.say(await box.start({ profile }), events);
    expect(answer.status, answer.text).toBe(200);
  });

  it("closes open calls before a terminal, in the server's name", async () => {
    const run = await box.start();
    const proposed = { type: "tool_proposed", data: { toolCallId: "c2", toolName: "t" } };
    const failed = { type: "agent_failed", data: { error: { code: "boom", message: "m" } } };
    const answer = await box.say(run, [executing("c1"), proposed, failed]);
    expect(answer.body).toMatchObject({ seq: 6, duplicates: 0 });
    const events = await box.eventsOf(run);
    expect(
      events.slice(3).map((each: Record<string, unknown>) => [each["type"], each["data"], each["repaired"]]),
    ).toEqual([
      ["tool_completed", expect.objectContaining({ toolCallId: "c1", status: "cancelled" }), true],
      ["tool_completed", expect.objectContaining({ toolCallId: "c2", status: "cancelled" }), true],
      ["agent_failed", failed.data, undefined],
    ]);
  });

  it("is 410 for a run that had ended, and 200 again for what it had accepted before", async () => {
    const run = await box.start();
    const keyed = { ...done, key: "the-end" };
    const first = await box.say(run, [keyed]);
    expect(refused(await box.say(run, [thinking]))).toMatchObject({ status: 410, code: "run_ended" });
    expect(refused(await box.publish(`runs/${run.runId}/heartbeat`, { fence: run.fence }))).toMatchObject({
      status: 410,
      code: "run_ended",
    });
    expect(refused(await box.publish(`runs/${run.runId}/claim`, {}))).toMatchObject({ status: 410, code: "run_ended" });
    expect(refused(await box.publish(`runs/${run.runId}/cancel`, {}))).toMatchObject({
      status: 410,
      code: "run_ended",
    });
    expect((await box.say(run, [keyed])).body).toEqual({ ...first.body, duplicates: 1 });
    expect(refused(await box.say(run, [{ ...keyed, data: { output: "another" } }]))).toMatchObject({
      status: 409,
      code: "key_conflict",
    });
  });

  it("counts a known key as a duplicate, with its seq and offset, and refuses another body under it", async () => {
    const run = await box.start();
    const first = await box.say(run, [{ ...thinking, key: "k1" }]);
    await box.say(run, [{ ...thinking, key: "k2" }]);
    expect((await box.say(run, [{ ...thinking, key: "k1" }])).body).toEqual({ ...first.body, duplicates: 1 });
    const mixed = await box.say(run, [
      { ...thinking, key: "k2" },
      { ...thinking, key: "k3" },
    ]);
    expect(mixed.body).toMatchObject({ seq: 4, duplicates: 1 });
    expect(
      refused(await box.say(run, [{ type: "agent_thinking", data: { thought: "else" }, key: "k1" }])),
    ).toMatchObject({ status: 409, code: "key_conflict" });
    // The same body written in another order of its fields is the same body.
    const ordered = { type: "agent_progress", data: { message: "m", percent: 1 }, key: "k4" };
    await box.say(run, [ordered]);
    expect(
      (await box.say(run, [{ key: "k4", data: { percent: 1, message: "m" }, type: "agent_progress" }])).body.duplicates,
    ).toBe(1);
    expect((await box.eventsOf(run)).length).toBe(5);
  });

  it("holds a publisher to the seq it expects and to its fence", async () => {
    const run = await box.start();
    expect(refused(await box.say(run, [thinking], { ifSeq: 2 }))).toMatchObject({ status: 409, code: "seq_conflict" });
    expect((await box.say(run, [thinking], { ifSeq: 1 })).body.seq).toBe(2);
    for (const fence of [run.fence + 1, run.fence - 1, "another", "", 1.5])
      expect(refused(await box.publish(`runs/${run.runId}/events`, { fence, events: [thinking] }))).toMatchObject({
        status: 409,
        code: "fenced",
      });
    expect(refused(await box.publish(`runs/${run.runId}/events`, { events: [thinking] }))).toMatchObject({
      status: 400,
      code: "invalid",
      details: {
        path: "fence",
      },
    });
    expect((await box.eventsOf(run)).length).toBe(2);
  });

  it("lets the newest runner write, and only it", async () => {
    const run = await box.start();
    await box.say(run, [thinking]);
    const claimed = await box.publish(`runs/${run.runId}/claim`, {});
    expect(claimed.body).toEqual({
      fence: expect.any(Number),
      seq: 2,
      snapshot: (await box.call(`GET /v1/runs/${run.runId}`, { as: alice })).body,
    });
    expect(refused(await box.say(run, [thinking]))).toMatchObject({ status: 409, code: "fenced" });
    expect(refused(await box.publish(`runs/${run.runId}/heartbeat`, { fence: run.fence }))).toMatchObject({
      status: 409,
      code: "fenced",
    });
    expect((await box.say({ ...run, fence: claimed.body.fence }, [thinking])).body.seq).toBe(3);
  });

  it.each([
    ["an unknown type", { type: "agent_sings", data: {} }, "events[0].type"],
    ["no data where some is needed", { type: "tool_executing" }, "events[0].data.toolCallId"],
    ["data of the wrong kind", { type: "agent_thinking", data: [] }, "events[0].data"],
    [
      "an unknown status",
      { type: "tool_completed", data: { toolCallId: "c", status: "fine" } },
      "events[0].data.status",
    ],
    ["a field too many", { type: "agent_thinking", time: "now" }, "events[0]"],
    ["an extension without a name", { type: "x.", data: {} }, "events[0].type"],
  ])("is 400 invalid_event and names the path: %s", async (_, event, path) => {
    expect(refused(await box.say(await box.start(), [event]))).toMatchObject({
      status: 400,
      code: "invalid_event",
      details: { path },
    });
  });

  it.each([
    ["userId", { userId: "bob" }],
    ["nested.recipientId", { nested: { recipientId: "bob" } }],
    ["list[1].target_user_id", { list: [0, { target_user_id: "bob" }] }],
    ["user_id", { user_id: "Alice" }],
    ["recipient_id", { recipient_id: "alice " }],
  ])("is 422 when the payload names somebody else: %s", async (path, data) => {
    const run = await box.start();
    const answer = await box.say(run, [thinking, { type: "x.note", data }]);
    expect(refused(answer)).toMatchObject({
      status: 422,
      code: "contaminated",
      details: { path: expect.stringContaining(path) },
    });
    expect((await box.eventsOf(run)).length).toBe(1);
  });

  it("keeps provenance fields and the owner's own name", async () => {
    const data = {
      userId: "alice",
      senderId: "bob",
      creatorId: "bob",
      ownerId: "bob",
      deep: { targetUserId: "alice" },
    };
    const run = await box.start();
    expect((await box.say(run, [{ type: "x.note", data }])).status).toBe(200);
    const events = await box.eventsOf(run);
    expect(events[1].data).toEqual(data);
  });

  it("repairs or keeps apart when the run asked for it", async () => {
    const repaired = await box.start({ profile: "strict", onIllegal: "repair" });
    const answer = await box.say(repaired, [executing("c1"), completed("c1"), done]);
    expect(answer.body).toMatchObject({ duplicates: 0, repaired: expect.any(Number) });
    expect(answer.body.repaired).toBeGreaterThan(0);
    const events = await box.eventsOf(repaired);
    const marked = events.filter((each: { repaired?: true }) => each.repaired === true);
    expect(marked).toHaveLength(answer.body.repaired);

    const apart = await box.start({ onIllegal: "quarantine" });
    const kept = await box.say(apart, [completed("never"), thinking]);
    expect(kept.body).toMatchObject({ seq: 2, quarantined: 1, duplicates: 0 });
    expect(await box.eventsOf(apart)).toHaveLength(2);
  });

  it("has one answer for what is missing and for what is not yours", async () => {
    const run = await box.start();
    const elsewhere = (await box.publish("runs", { userId: "u", agent: "a", tenantId: "acme" })).body;
    const event = { fence: run.fence, events: [thinking] };
    const missing = await box.publish("runs/no-such-run/events", event, apiKeys.acme);
    const foreign = await box.publish(`runs/${run.runId}/events`, event, apiKeys.acme);
    expect(refused(missing)).toMatchObject({ status: 404, code: "not_found" });
    expect([foreign.status, foreign.text]).toEqual([missing.status, missing.text]);
    expect(
      (
        await box.publish(
          `runs/${elsewhere.runId}/events`,
          { fence: elsewhere.fence, events: [thinking] },
          apiKeys.acme,
        )
      ).status,
    ).toBe(200);
    for (const path of ["", "/events"]) {
      const own = await box.call(`GET /v1/runs/${run.runId}${path}`, { as: alice });
      const theirs = await box.call(`GET /v1/runs/${run.runId}${path}`, { as: bob });
      const none = await box.call(`GET /v1/runs/nothing-here${path}`, { as: bob });
      expect(own.status).toBe(200);
      expect([theirs.status, theirs.text]).toEqual([404, none.text]);
    }
    for (const as of [bob, await userToken("alice", { tid: "acme" })]) {
      const refused = await box.call(`POST /v1/runs/${run.runId}/cancel`, { as, body: {} });
      const none = await box.call("POST /v1/runs/nothing-here/cancel", { as, body: {} });
      expect([refused.status, refused.text]).toEqual([404, none.text]);
    }
  });
});
