import { describe, expect, it } from "vitest";
import { eventIds } from "../../src/runtime/event-id.ts";
import { EmbeddedRun } from "../../src/runtime/embedded-run.ts";
import { asRunId, asTenantId, defaultTenant } from "../../protocol/ids.ts";
import type { RuntimeOptions } from "../../src/runtime/options.ts";
import { completed, keyed, note, suspended } from "../support/events.ts";
import { publisher, runtimeUnderTest, userOf } from "../support/runtime-under-test.ts";

const foreign: readonly (readonly [string, object])[] = [
  ["userId", { userId: "bob" }],
  ["user_id", { user_id: "bob" }],
  ["recipientId", { recipientId: "bob" }],
  ["recipient_id", { recipient_id: "bob" }],
  ["targetUserId", { targetUserId: "bob" }],
  ["target_user_id", { target_user_id: "bob" }],
  ["a.b[1].userId", { a: { b: [{}, { userId: "bob" }] } }],
  ["a[0][0].recipientId", { a: [[{ recipientId: "bob" }]] }],
  ["recipientId", { recipientId: ["alice", "bob"] }],
  ["userId", { userId: 7 }],
  ["userId", { userId: "Alice" }],
  ["userId", { userId: "alice " }],
  ["userId", { userId: "" }],
  // The same field to a parser that does not look at case or separators.
  ["userID", { userID: "bob" }],
  ["UserId", { UserId: "bob" }],
  ["USER_ID", { USER_ID: "bob" }],
  ["user-id", { "user-id": "bob" }],
  ["userid", { userid: "bob" }],
  ["Recipient_ID", { Recipient_ID: "bob" }],
  ["TargetUser-Id", { "TargetUser-Id": "bob" }],
  ["u\u017ferId", { "u\u017ferId": "bob" }],
  // A key that is no word stands in brackets: the path names one place only.
  ['["a.b"].userId', { "a.b": { userId: "bob" } }],
  ['["[0]"]["\\n"].userId', { "[0]": { "\n": { userId: "bob" } } }],
  ["userId[0].user_id", { userId: [{ user_id: "bob" }] }],
  ["userId.userId", { userId: { userId: "bob" } }],
];

const harmless: readonly object[] = [
  { userId: "alice" },
  { recipientId: ["alice"] },
  { userId: null },
  { senderId: "bob", creatorId: "bob", ownerId: "bob", sender_id: "bob" },
  { text: 'the words "userId": "bob" in a sentence' },
  { nested: { user: "bob", id: "bob" } },
  // A schema may describe a field of that name.
  { properties: { userId: { type: "string" }, recipientId: true } },
  { "us\u0435rId": "bob", userIds: ["bob"], user__id: "bob", id_user: "bob" },
  { json: '{"userId":"bob"}' },
];

describe("contamination (L8)", () => {
  it.each(foreign)("refuses an event that names somebody else in %s", async (path, data) => {
    const { start, publish, log, parts } = await runtimeUnderTest();
    const { runId } = await start();
    await expect(publish(runId, 1, [note(), note(data)])).rejects.toMatchObject({
      _tag: "Contaminated",
      path: `events[1].data${path.startsWith("[") ? "" : "."}${path}`,
    });
    expect(await log.ledger()).toMatchObject({ accepted: 1 });
    expect(parts.service.stats().contaminationRefused).toBe(1);
  });

  it("lets the owner's name, provenance and plain words pass untouched", async () => {
    const { start, publish, connect, settle } = await runtimeUnderTest();
    const tab = await connect("alice", { from: "start" });
    const { runId } = await start();
    await publish(runId, 1, harmless.map(note));
    await settle();
    expect(
      tab
        .events()
        .slice(1)
        .map(({ data }) => data),
    ).toEqual(harmless);
  });

  it("refuses a run's input and a notice in the same way", async () => {
    const { start, call, parts } = await runtimeUnderTest();
    const input = { to: [{ userId: "bob" }] };
    await expect(start({ input })).rejects.toMatchObject({ _tag: "Contaminated", path: "input.to[0].userId" });
    const notice = { userId: "alice", type: "x.mail", data: { recipient_id: "bob" } };
    await expect(call(parts.service.notify(publisher, notice))).rejects.toMatchObject({
      _tag: "Contaminated",
      path: "data.recipient_id",
    });
  });

  it("looks at what will be written, not at the object that it came from", async () => {
    const { parts, clock } = await runtimeUnderTest();
    const { desk } = await parts.runs.start(asTenantId("default"), { userId: "alice", agent: "tester" });
    if (desk === undefined) throw new Error("the run has no desk");
    const run = new EmbeddedRun(parts.runs, desk, eventIds(clock));
    const hidden = { toJSON: () => ({ userId: "bob" }) };
    await expect(run.completed(hidden)).rejects.toMatchObject({ _tag: "Contaminated" });
  });
});

describe("contamination by another door (L8)", () => {
  const waiting = async (options: Partial<RuntimeOptions> = {}) => {
    const world = await runtimeUnderTest(options);
    const { runId } = await world.start();
    await world.publish(runId, 1, [suspended("p")]);
    const resolve = (data: unknown) =>
      world.call(
        world.parts.service.resolveApproval(userOf("alice", world.clock.now()), undefined, "p", {
          decision: "approve",
          data,
        }),
      );
    return { ...world, runId, resolve };
  };

  it("is refused in the data of an approval, with the path that its caller sent", async () => {
    const { resolve, parts } = await waiting();
    await expect(resolve({ to: { userId: "bob" } })).rejects.toMatchObject({
      _tag: "Contaminated",
      path: "data.to.userId",
    });
    expect(await resolve({ to: { userId: "alice" } })).toMatchObject({ decision: "approve" });
    expect(parts.service.stats().contaminationRefused).toBe(1);
  });

  it("is taken out of the data of an approval under `sanitize`, and counted once", async () => {
    const { resolve, log, runId, parts } = await waiting({ contamination: "sanitize" });
    await resolve({ to: { userId: "bob", kept: 1 } });
    const events = await log.readRun(defaultTenant, asRunId(runId), 2, { maxEvents: 10, maxBytes: 10_000 });
    expect(JSON.parse(events[0]?.data ?? "")).toEqual({
      ...{ approvalId: "p", decision: "approve", by: "user" },
      data: { to: { kept: 1 } },
    });
    expect(parts.service.stats().contaminationRefused).toBe(1);
  });

  it("does not come in by the answer of the application to a command", async () => {
    let answer: object = {};
    const { connect, settle } = await runtimeUnderTest({ onCommand: async () => answer as never });
    const tab = await connect("alice");
    const ask = async (said: object) => {
      answer = said;
      tab.say({ type: "command", ref: 1, name: "send_message", data: {} });
      await settle();
      return tab.of("reply").at(-1);
    };
    expect(await ask({ userId: "alice", n: 1 })).toMatchObject({ ok: true, data: { userId: "alice", n: 1 } });
    expect(await ask({ runs: [{ recipientId: "bob", text: "secret" }] })).toEqual({
      ...{ type: "reply", ref: 1, ok: false },
      error: { code: "contaminated", message: "the application's answer names another user" },
    });
  });

  it.each(["refuse", "sanitize"] as const)(
    "is not even kept apart: what is illegal, late or later (%s)",
    async (contamination) => {
      const { start, publish, log } = await runtimeUnderTest({ contamination });
      const { runId } = await start({ onIllegal: "quarantine" });
      const foreign = {
        type: "tool_completed",
        data: { toolCallId: "c", status: "ok", result: { userId: "bob", n: 1 } },
      };
      const tried = async () => publish(runId, 1, [foreign]).catch(() => undefined);
      await tried();
      await publish(runId, 1, [completed]);
      await tried();
      await expect(publish(runId, 1, [foreign])).rejects.toMatchObject({
        _tag: contamination === "refuse" ? "Contaminated" : "RunEnded",
      });
      const { entries } = await log.deadLetters({ limit: 10 });
      expect(entries).toHaveLength(contamination === "refuse" ? 0 : 3);
      expect(JSON.stringify(entries)).not.toContain("bob");
    },
  );

  it("is not hidden by an object that says something else when it is asked again", async () => {
    const { parts, log } = await runtimeUnderTest();
    let asked = 0;
    const input = { toJSON: () => (asked++ === 0 ? { n: 1 } : { userId: "bob" }) };
    const { answer } = await parts.runs.start(defaultTenant, { userId: "alice", agent: "tester", input });
    const [first] = await log.readRun(defaultTenant, answer.runId, 0, { maxEvents: 1, maxBytes: 1_000 });
    expect(asked).toBe(1);
    expect(JSON.parse(first?.data ?? "").input).toEqual({ n: 1 });
  });
});

describe("a payload that no client could read", () => {
  const deep = (levels: number): unknown => (levels === 0 ? 1 : [deep(levels - 1)]);
  it.each<[string, object, string]>([
    ["is nested too deep", { a: deep(33) }, "is nested deeper than 32 levels"],
    ["is too long", { a: "x".repeat(8 * 1_048_576) }, "is longer than 8388608 characters"],
    ["has a prototype for a key", JSON.parse('{"a":{"__proto__":{}}}'), "has a key that is not allowed: __proto__"],
    [
      "has a constructor's prototype",
      JSON.parse('{"constructor":{"prototype":{}}}'),
      "has a key that is not allowed: constructor.prototype",
    ],
    ["says that it is a list", { toJSON: () => [] }, "must be an object"],
    ["says that it is nothing", { toJSON: () => undefined }, "must be an object"],
    ["is no JSON", { a: 1n }, "is not JSON"],
  ])("is refused where code hands it in, as it %s", async (_, data, message) => {
    const { parts, clock, call } = await runtimeUnderTest();
    const { desk } = await parts.runs.start(defaultTenant, { userId: "alice", agent: "tester" });
    if (desk === undefined) throw new Error("the run has no desk");
    const run = new EmbeddedRun(parts.runs, desk, eventIds(clock));
    await expect(run.emit({ type: "x.a", data: data as never })).rejects.toMatchObject({
      ...{ _tag: "InvalidInput", code: "invalid_event", path: "events[0].data", message },
    });
    const notice = { userId: "alice", type: "x.a", data: data as never };
    await expect(call(parts.service.notify(publisher, notice))).rejects.toMatchObject({ path: "data", message });
  });
});

describe("contamination", () => {
  it("is told to the operator once while it goes on, by tenant and without payload", async () => {
    const told: unknown[] = [];
    const lines: unknown[] = [];
    const { start, publish, clock, parts } = await runtimeUnderTest({
      // The run stalls, too, for nobody beats: that is another alert.
      alerts: {
        raise: (alert) => void (alert.name === "RunStalled" || told.push(alert)),
        resolve: (...ended) => void (ended[0] === "RunStalled" || told.push(ended)),
      },
      journal: { write: (...record) => lines.push(record) },
    });
    const { runId } = await start({ userId: "u-canary" });
    const contaminated = () => publish(runId, 1, [note({ userId: "p-canary" })]).catch(() => {});
    for (let time = 0; time < 3; time += 1) {
      await contaminated();
      await clock.advance(200_000);
    }
    expect(parts.service.stats().contaminationRefused).toBe(3);
    expect(told).toEqual([
      expect.objectContaining({ name: "ContaminationRefused", severity: "critical", labels: { tenant: "default" } }),
    ]);
    await clock.advance(300_000);
    expect(told.slice(1)).toEqual([["ContaminationRefused", { tenant: "default" }]]);
    await contaminated();
    expect(told).toHaveLength(3);
    const about = lines.filter((line) => JSON.stringify(line).includes("contamination"));
    expect(about).toEqual([
      ["error", "contamination.began", { tenantId: "default" }],
      ["info", "contamination.ended", { tenantId: "default", payloads: 3 }],
      ["error", "contamination.began", { tenantId: "default" }],
    ]);
    expect(JSON.stringify([told, lines])).not.toContain("canary");
  });
});

describe("contamination: sanitize", () => {
  it("takes out the foreign fields at every depth, keeps all others and counts", async () => {
    const { start, publish, connect, settle, parts } = await runtimeUnderTest({ contamination: "sanitize" });
    const tab = await connect("alice", { from: "start" });
    const { runId } = await start({ input: { userId: "bob", ask: 1 } });
    const data = { userId: "bob", ownerId: "bob", list: [{ recipient_id: "bob", kept: true }, { userId: "alice" }] };
    await publish(runId, 1, [note(data)]);
    await settle();
    const [first, second] = tab.events();
    expect(first?.data).toMatchObject({ input: { ask: 1 } });
    expect(first?.data).not.toMatchObject({ input: { userId: "bob" } });
    expect(second?.data).toEqual({ ownerId: "bob", list: [{ kept: true }, { userId: "alice" }] });
    expect(parts.service.stats().contaminationRefused).toBe(2);
  });

  it("holds a retry against what was sent, not against what was kept", async () => {
    const { start, publish } = await runtimeUnderTest({ contamination: "sanitize" });
    const { runId } = await start();
    const said = [keyed("k", note({ userId: "bob", a: 1 }))];
    await publish(runId, 1, said);
    expect(await publish(runId, 1, said)).toMatchObject({ duplicates: 1 });
    await expect(publish(runId, 1, [keyed("k", note({ a: 1 }))])).rejects.toMatchObject({ _tag: "KeyConflict" });
  });
});
