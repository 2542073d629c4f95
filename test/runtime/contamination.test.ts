import { describe, expect, it } from "vitest";
import { eventIds } from "../../src/runtime/event-id.ts";
import { EmbeddedRun } from "../../src/runtime/embedded-run.ts";
import { asTenantId } from "../../protocol/ids.ts";
import { keyed, note } from "../support/events.ts";
import { publisher, runtimeUnderTest } from "../support/runtime-under-test.ts";

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
];

const harmless: readonly object[] = [
  { userId: "alice" },
  { recipientId: ["alice"] },
  { userId: null },
  { senderId: "bob", creatorId: "bob", ownerId: "bob", sender_id: "bob" },
  { text: 'the words "userId": "bob" in a sentence' },
  { nested: { user: "bob", id: "bob" } },
];

describe("contamination (L8)", () => {
  it.each(foreign)("refuses an event that names somebody else in %s", async (path, data) => {
    const { start, publish, log, parts } = await runtimeUnderTest();
    const { runId } = await start();
    await expect(publish(runId, 1, [note(), note(data)])).rejects.toMatchObject({
      _tag: "Contaminated",
      path: `events[1].data.${path}`,
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
