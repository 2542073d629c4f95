import { describe, expect, it } from "vitest";
import { asTenantId, asUserId } from "../../protocol/ids.ts";
import type { RunRecord } from "../../src/log/event-log.ts";
import { memoryLog } from "../../src/log/memory.ts";
import { prepare } from "../../src/runtime/payload.ts";
import { RunKeys } from "../../src/runtime/run-keys.ts";
import { event, newRun, next, run1, started, tenant, write } from "../../src/testing/event-log/sample.ts";

const policy = { contaminationOf: () => "refuse" as const, countContaminated: () => {} };
const alice = { tenantId: asTenantId("default"), userId: asUserId("alice") };
const said = (key: string | undefined, n = 1) => ({
  type: "x.a" as const,
  data: { n },
  ...(key !== undefined && { key }),
});
const prepared = (...events: readonly ReturnType<typeof said>[]) =>
  events.map((each, index) => prepare(each, index, alice, policy));

/** The keys of a run whose log knows `old`, and what the log was asked. */
async function world(isComplete = false) {
  const memory = memoryLog();
  await write(memory, started(newRun()));
  const digest = prepared(said("old"))[0]?.digest ?? "";
  await write(memory, next(1, [event("old", { key: { name: "old", digest } })]));
  const asked: (readonly string[])[] = [];
  const log: typeof memory = {
    ...memory,
    knownKeys: (owner, names) => {
      asked.push(names);
      return memory.knownKeys(owner, names);
    },
  };
  const record = (await memory.run(tenant, run1)) as RunRecord;
  return { keys: new RunKeys(log, record, isComplete), asked };
}

describe("the keys of a run", () => {
  it("of an earlier life are asked of the log, once each, and only where there are some", async () => {
    const { keys, asked } = await world();
    expect(keys.mustLearn([said(undefined)])).toBe(false);
    expect(keys.mustLearn([said(undefined), said("old")])).toBe(true);
    await keys.learn([said(undefined)]);
    expect(asked).toEqual([]);
    await keys.learn([said("old"), said(undefined), said("new")]);
    expect(asked).toEqual([["old", "new"]]);
    expect(keys.get("old")).toMatchObject({ seq: 2, offset: 2 });
    await keys.learn([said("old"), said("other")]);
    expect(asked[1]).toEqual(["other"]);
  });

  it("are all known where the run began", async () => {
    const { keys, asked } = await world(true);
    expect(keys.mustLearn([said("old")])).toBe(false);
    await keys.learn([said("old")]);
    expect(asked).toEqual([]);
    expect(keys.get("old")).toBeUndefined();
  });

  it("let what is new pass, drop what is known, and refuse another body under a known key", async () => {
    const { keys } = await world();
    await keys.learn([said("old")]);
    const fresh = (...events: readonly ReturnType<typeof said>[]) =>
      keys.fresh(prepared(...events), 9).map(({ event: { key } }) => key);
    expect(fresh(said(undefined), said("old"), said("new"), said("new"), said(undefined))).toEqual([
      undefined,
      "new",
      undefined,
    ]);
    expect(() => fresh(said("old", 2))).toThrow(expect.objectContaining({ _tag: "KeyConflict", key: "old", seq: 2 }));
    expect(() => fresh(said("new"), said("new", 2))).toThrow(expect.objectContaining({ key: "new", seq: 9 }));
  });

  it("are remembered at their places", async () => {
    const { keys } = await world(true);
    expect(keys.remember("k", "digest", 4)).toEqual({ name: "k", digest: "digest" });
    expect(keys.remember(undefined, undefined, 5)).toBeUndefined();
    expect(keys.get("k")).toEqual({ digest: "digest", seq: 4, offset: 0 });
    keys.place(
      [
        event("a"),
        event("b", { key: { name: "k", digest: "digest" } }),
        event("c", { key: { name: "?", digest: "" } }),
      ],
      10,
    );
    expect(keys.get("k")).toEqual({ digest: "digest", seq: 4, offset: 11 });
    expect(keys.get("?")).toBeUndefined();
  });
});

describe("a prepared event", () => {
  it("is what was said, with its text, and a digest where it has a key", () => {
    const [plain, withKey] = prepared(said(undefined), said("k"));
    expect(plain).toEqual({ event: said(undefined), text: '{"n":1}', digest: undefined });
    expect(withKey?.digest).toMatch(/\S/);
  });

  it("names what is no JSON by its place", () => {
    const circular: Record<string, unknown> = {};
    circular["self"] = circular;
    const call = () => prepare({ type: "x.a", data: circular as never }, 3, alice, policy);
    expect(call).toThrow(
      expect.objectContaining({ _tag: "InvalidInput", path: "events[3].data", message: "is not JSON" }),
    );
  });

  it("keeps the object that was said, and makes another where a field had to go", () => {
    const input = { type: "x.a" as const, data: { userId: "bob", n: 1 } };
    const own = { type: "x.a" as const, data: { userId: "alice", n: 1 } };
    expect(prepare(own, 0, alice, policy).event).toBe(own);
    const cleaned = prepare(input, 0, alice, { ...policy, contaminationOf: () => "sanitize" });
    expect([cleaned.event.data, cleaned.text]).toEqual([{ n: 1 }, '{"n":1}']);
  });
});
