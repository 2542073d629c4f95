import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BlackBox, done, refused, isoTime } from "../../support/black-box.ts";
import { apiKeys, userToken } from "../../support/built-server.ts";

let box: BlackBox;
let alice: string;

beforeAll(async () => {
  box = await BlackBox.start();
  alice = await userToken("alice");
});
afterAll(() => box[Symbol.asyncDispose]());

describe("POST /v1/runs", () => {
  it("makes a run, and the same call again gets the same answer", async () => {
    const runId = `r-${randomUUID()}`;
    const body = { userId: "alice", runId, agent: "tester", threadId: "t", input: { text: "hi" }, leaseMs: 5_000 };
    const first = await box.publish("runs", body);
    expect(first.status).toBe(201);
    expect(Object.keys(first.body).toSorted()).toEqual(["epoch", "fence", "offset", "runId", "seq"]);
    expect(first.body).toMatchObject({ runId, seq: 1 });
    // The same fields in another order are the same body.
    const again = await box.publish("runs", Object.fromEntries(Object.entries(body).toReversed()));
    expect([again.status, again.body]).toEqual([200, first.body]);
    expect(refused(await box.publish("runs", { ...body, agent: "another" }))).toMatchObject({
      status: 409,
      code: "run_exists",
    });
    const { events } = (await box.call(`GET /v1/runs/${runId}/events`, { as: alice })).body;
    expect(events).toEqual([
      {
        id: expect.any(String),
        type: "agent_started",
        runId,
        seq: 1,
        offset: first.body.offset,
        threadId: "t",
        time: expect.stringMatching(isoTime),
        data: { agent: "tester", input: { text: "hi" } },
      },
    ]);
  });

  it("makes UUIDv7 ids, and dense offsets in one epoch", async () => {
    const [first, second] = [await box.start({ userId: "ida" }), await box.start({ userId: "ida" })];
    for (const { runId } of [first, second])
      expect(runId).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect([first.offset, second.offset]).toEqual([1, 2]);
    expect(second.epoch).toBe(first.epoch);
  });

  it.each([
    ["no user", { agent: "a" }, "userId"],
    ["no agent", { userId: "u" }, "agent"],
    ["a field too many", { userId: "u", agent: "a", user: "x" }, ""],
    ["a user with a control character", { userId: "a\u0000b", agent: "a" }, "userId"],
    ["a user with a lone surrogate", '{"userId":"a\\ud800","agent":"a"}', "userId"],
    ["an empty user", { userId: "", agent: "a" }, "userId"],
    ["a user of 257 characters", { userId: "x".repeat(257), agent: "a" }, "userId"],
    ["a run id of 129 characters", { userId: "u", agent: "a", runId: "x".repeat(129) }, "runId"],
    ["a run id with a slash", { userId: "u", agent: "a", runId: "a/b" }, "runId"],
    ["a run id that is not ASCII", { userId: "u", agent: "a", runId: "ä" }, "runId"],
    ["a lease below a second", { userId: "u", agent: "a", leaseMs: 999 }, "leaseMs"],
    ["a lease above an hour", { userId: "u", agent: "a", leaseMs: 3_600_001 }, "leaseMs"],
    ["an unknown profile", { userId: "u", agent: "a", profile: "lax" }, "profile"],
    ["an unknown mode", { userId: "u", agent: "a", mode: "fast" }, "mode"],
    ["an unknown answer to illegal events", { userId: "u", agent: "a", onIllegal: "ignore" }, "onIllegal"],
  ])("is 400 and names the path: %s", async (_, body, path) => {
    expect(refused(await box.publish("runs", body))).toMatchObject({ status: 400, code: "invalid", details: { path } });
  });

  it("takes users of 256 code points, with colons, emoji and combining marks, each its own", async () => {
    const names = ["\u{1f680}".repeat(256), "e\u0301", "\u00e9", "É", "a:b", "a", "A", "a ", "..", "*", "{}", "%2e"];
    const offsets = await Promise.all(names.map(async (userId) => (await box.start({ userId })).offset));
    expect(offsets).toEqual(names.map(() => 1));
    // `a:b` in tenant `x` and `b` in tenant `x:a` would share a stream if the key were joined carelessly.
    const one = await box.start({ userId: "a:b", tenantId: "x" });
    const other = await box.start({ userId: "b", tenantId: "x:a" });
    expect([one.offset, other.offset]).toEqual([1, 1]);
  });

  it("binds a key to its tenants and its rights", async () => {
    expect(refused(await box.publish("runs", { userId: "u", agent: "a" }, "no-such-key"))).toMatchObject({
      status: 401,
      code: "unauthenticated",
    });
    expect(refused(await box.call("POST /v1/runs", { body: { userId: "u", agent: "a" } }))).toMatchObject({
      status: 401,
      code: "unauthenticated",
    });
    expect(refused(await box.publish("runs", { userId: "u", agent: "a" }, apiKeys.admin))).toMatchObject({
      status: 403,
      code: "forbidden",
    });
    expect(refused(await box.publish("runs", { userId: "u", agent: "a" }, alice))).toMatchObject({
      status: 403,
      code: "forbidden",
    });
    const foreignTenant = await box.publish("runs", { userId: "u", agent: "a", tenantId: "globex" }, apiKeys.acme);
    expect(refused(foreignTenant)).toMatchObject({ status: 403, code: "forbidden" });
    expect((await box.publish("runs", { userId: "u", agent: "a", tenantId: "acme" }, apiKeys.acme)).status).toBe(201);
  });

  it("makes a child only under a living run of the same user", async () => {
    const parent = await box.start();
    const child = await box.start({ parentRunId: parent.runId });
    expect(refused(await box.say(parent, [done]))).toMatchObject({ status: 409, code: "illegal_transition" });
    expect((await box.say(child, [done])).status).toBe(200);
    expect((await box.say(parent, [done])).status).toBe(200);
    const orphan = { userId: "bob", agent: "a", parentRunId: (await box.start()).runId };
    expect(refused(await box.publish("runs", orphan))).toMatchObject({ status: 404, code: "not_found" });
    expect(refused(await box.publish("runs", { ...orphan, parentRunId: "nobody" }))).toMatchObject({
      status: 404,
      code: "not_found",
    });
  });
});
