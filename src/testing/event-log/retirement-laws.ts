/** The laws of retention: what is old goes, whole and counted, and nothing else does (L4, L10; FAULTS: I2, I11). */
import { asDeviceId, asRunId, asUserId, type StreamKey, streamKey } from "../../../protocol/ids.ts";
import type { EventLog, NewEvent } from "../../log/event-log.ts";
import type { RetiredRange } from "../../log/housekeeping.ts";
import type { LawBook } from "./law.ts";
import { alice, bob, event, ids, newRun, next, notice, run1, run2, started, tenant, wide, write } from "./sample.ts";

const phone = asDeviceId("phone");
/** The n-th minute of the day. */
const minute = (n: number): string => `2026-11-21T10:${String(n).padStart(2, "0")}:00.000Z`;
const now = "2026-11-22T10:00:00.000Z";
const roomy = 1_000_000;
/** More slices than any of these sweeps takes. */
const maxSlices = 1_000;

const at = (n: number, name: string, more: Partial<NewEvent> = {}): NewEvent =>
  event(name, { time: minute(n), ...more });
const notices = (stream: StreamKey, n: number, ...names: string[]) => ({
  ...notice(stream, ...names),
  events: names.map((name) => at(n, name, { type: "x.notice" })),
});

/** A whole sweep. */
async function sweep(
  log: EventLog,
  before: string,
  maxEvents = roomy,
  look: () => Promise<void> = async () => {},
): Promise<{ readonly ranges: readonly RetiredRange[]; readonly slices: number }> {
  const ranges: RetiredRange[] = [];
  let after: string | undefined;
  for (let slices = 1; slices <= maxSlices; slices += 1) {
    const { streams, next: rest } = await log.retire({ before, now, maxEvents, after });
    ranges.push(...streams);
    await look();
    if (rest === null) return { ranges, slices };
    after = rest;
  }
  throw new Error("the sweep never ends");
}

const difference = async (log: EventLog, stream?: StreamKey): Promise<number> => {
  const { accepted, acked, stored, deadLettered } = await log.ledger(stream);
  return accepted - acked - stored - deadLettered;
};

export function retirementLaws({ law, expect }: LawBook): void {
  law("takes the beginning of a stream that is older, moves first up and gives no offset again", async (log) => {
    await write(log, notices(alice, 1, "a", "b"));
    await write(log, notices(alice, 2, "c"));
    await write(log, notices(alice, 3, "d"));
    expect((await sweep(log, minute(1))).ranges).toEqual([]);
    const { ranges } = await sweep(log, minute(3));
    expect(ranges).toEqual([{ stream: alice, from: 1, upto: 3, deadLettered: 3 }]);
    expect(await log.position(alice)).toMatchObject({ first: 4, head: 4 });
    expect(await ids(log, alice)).toEqual(["id-d"]);
    expect((await sweep(log, minute(3))).ranges).toEqual([]);
    await sweep(log, minute(4));
    expect(await log.position(alice)).toMatchObject({ first: 5, head: 4 });
    expect(await log.read(alice, 0, wide)).toMatchObject({ first: 5, head: 4, events: [], upto: 4 });
    expect(await write(log, notices(alice, 5, "e"))).toMatchObject({ offset: 5 });
    expect(await log.read(alice, 0, wide)).toMatchObject({ first: 5, head: 5, upto: 5 });
    expect(await ids(log, alice)).toEqual(["id-e"]);
    await sweep(log, minute(6));
    expect(await log.position(alice)).toMatchObject({ first: 6, head: 5 });
  });

  law("never touches a living run, nor what stands behind its beginning", async (log) => {
    await write(log, notices(alice, 1, "before"));
    await write(log, started(newRun(), [at(1, "s1")]));
    await write(log, notices(alice, 1, "behind"));
    await write(log, notices(bob, 1, "other"));
    expect((await sweep(log, now)).ranges.map(({ stream, upto }) => [stream, upto])).toEqual([
      [alice, 1],
      [bob, 1],
    ]);
    expect(await ids(log, alice)).toEqual(["id-s1", "id-behind"]);
    expect(await log.run(tenant, run1)).toMatchObject({ firstOffset: 2, seq: 1 });
    expect((await sweep(log, now)).ranges).toEqual([]);
    await write(log, next(1, [at(2, "end")], { ended: "completed" }));
    expect((await sweep(log, minute(2))).ranges).toEqual([]);
    expect((await sweep(log, now)).ranges).toEqual([{ stream: alice, from: 2, upto: 4, deadLettered: 3 }]);
  });

  law("takes an ended run whole, with its record, keys and approvals, or not at all", async (log) => {
    const key = { name: "k", digest: "d" };
    await write(log, started(newRun(), [at(1, "s1", { key })]));
    await write(log, started(newRun(run2), [at(1, "other")]));
    await write(log, next(1, [at(1, "gone")], { runId: run2, ended: "completed" }));
    await write(log, next(1, [at(2, "ask")], { approvals: ["a-1"] }));
    await write(log, next(2, [at(3, "end")], { ended: "completed" }));
    // The other run has ended long ago, and lies within this one.
    expect((await sweep(log, minute(3))).ranges).toEqual([]);
    expect((await log.readRun(tenant, run1, 0, wide)).length).toBe(3);
    expect((await log.readRun(tenant, run2, 0, wide)).length).toBe(2);
    expect((await sweep(log, minute(4))).ranges).toEqual([{ stream: alice, from: 1, upto: 5, deadLettered: 5 }]);
    expect(await log.run(tenant, run1)).toBeUndefined();
    expect((await log.runs({ limit: 9 })).runs).toEqual([]);
    expect(await log.readRun(tenant, run1, 0, wide)).toEqual([]);
    expect((await log.knownKeys({ tenantId: tenant, runId: run1 }, ["k"])).size).toBe(0);
    expect(await log.approval(tenant, "a-1")).toBeUndefined();
    expect(await log.append(next(3, [at(5, "late")]))).toEqual({ kind: "no_run" });
    expect(await log.claim(tenant, run1)).toBeUndefined();
  });

  law("makes a run anew under the id of one that is gone, with nothing of the old one", async (log) => {
    const key = { name: "k", digest: "old" };
    const first = started(newRun(), [at(1, "s1", { key })]);
    await write(log, {
      ...first,
      run: { tenantId: tenant, runId: run1, expectedSeq: 0, ...first.run, approvals: ["a"] },
    });
    await write(log, next(1, [at(1, "end")], { ended: "failed" }));
    await log.retire({ before: now, now, maxEvents: roomy });
    const made = await log.append(started(newRun(run1, alice, { startDigest: "another" }), [at(5, "anew")]));
    expect(made).toMatchObject({ kind: "appended", offset: 3, seq: 1, fence: 1 });
    expect((await log.knownKeys({ tenantId: tenant, runId: run1 }, ["k"])).size).toBe(0);
    expect(await log.approval(tenant, "a")).toBeUndefined();
    const again = next(1, [at(5, "again", { key: { name: "k", digest: "new" } })]);
    expect(await log.append(again)).toMatchObject({ kind: "appended", offset: 4, seq: 2 });
    expect((await log.readRun(tenant, run1, 0, wide)).map(({ id }) => id)).toEqual(["id-anew", "id-again"]);
  });

  law("forgets the keys of notices that are gone, and only those", async (log) => {
    const keyed = (n: number, name: string) => ({
      stream: alice,
      events: [at(n, name, { key: { name, digest: "d" } })],
    });
    await write(log, keyed(1, "old"));
    await write(log, keyed(2, "young"));
    await sweep(log, minute(2));
    expect([...(await log.knownKeys({ stream: alice }, ["old", "young"])).keys()]).toEqual(["young"]);
    expect(await log.append(keyed(3, "old"))).toMatchObject({ kind: "appended", offset: 3 });
    expect(await log.append(keyed(3, "young"))).toMatchObject({ kind: "key_known", known: { offset: 2 } });
  });

  law("counts as dead what nobody had acknowledged, once, and keeps the ledger even (I11)", async (log) => {
    await write(log, notices(alice, 1, "a", "b", "c"));
    await write(log, notices(alice, 2, "d", "e"));
    await write(log, notices(bob, 1, "f", "g"));
    await log.saveCursors([
      { stream: alice, device: phone, offset: 2 },
      { stream: bob, device: phone, offset: 2 },
    ]);
    const { ranges } = await sweep(log, minute(2));
    expect(ranges).toEqual([
      { stream: alice, from: 1, upto: 3, deadLettered: 1 },
      { stream: bob, from: 1, upto: 2, deadLettered: 0 },
    ]);
    expect(await log.ledger(alice)).toEqual({ accepted: 5, acked: 2, stored: 2, deadLettered: 1 });
    expect(await log.ledger()).toEqual({ accepted: 7, acked: 4, stored: 2, deadLettered: 1 });
    // Who comes late with an ack acknowledges what is still there.
    await log.saveCursors([{ stream: alice, device: phone, offset: 4 }]);
    expect(await log.ledger(alice)).toEqual({ accepted: 5, acked: 3, stored: 1, deadLettered: 1 });
    await sweep(log, now);
    expect(await log.ledger(alice)).toEqual({ accepted: 5, acked: 3, stored: 0, deadLettered: 2 });
    expect(await log.cursor(alice, phone)).toBe(4);
  });

  law("sweeps many streams in slices, and is whole and even after each of them", async (log) => {
    const streams = Array.from({ length: 12 }, (_, index) => streamKey(tenant, asUserId(`user ${index}`)));
    for (const [index, stream] of streams.entries()) {
      const runId = asRunId(`run ${index}`);
      const many = Array.from({ length: 40 }, (_, count) => at(1, `${index} ${count}`));
      await write(log, started(newRun(runId, stream), many));
      await write(log, { ...next(40, [at(1, `${index} end`)], { runId, ended: "completed" }), stream });
      await write(log, notices(stream, 9, `${index} young`));
    }
    const { ranges, slices } = await sweep(log, minute(5), 30, async () => {
      expect(await difference(log)).toBe(0);
      for (const [index, stream] of streams.entries()) {
        const { events, first, head } = await log.read(stream, 0, wide);
        expect([first, head, events.length]).toEqual([events[0]?.offset, 42, head + 1 - first]);
        // Whole or gone.
        const own = await log.readRun(tenant, asRunId(`run ${index}`), 0, wide);
        const record = await log.run(tenant, asRunId(`run ${index}`));
        expect(own.length).toBe(record === undefined ? 0 : 41);
      }
    });
    expect(slices).toBeGreaterThan(3);
    expect(new Map(ranges.map(({ stream, from, upto, deadLettered }) => [stream, [from, upto, deadLettered]]))).toEqual(
      new Map(streams.map((stream) => [stream, [1, 41, 41]])),
    );
    expect(ranges.length).toBe(12);
    expect(await log.ledger()).toMatchObject({ accepted: 12 * 42, stored: 12, deadLettered: 12 * 41 });
  });
}

/** For logs that outlive their process. */
export function retirementPersistenceLaws({ law, expect }: LawBook): void {
  law(
    "knows after a restart what is gone: same epoch, no offset and nothing of an old run comes again",
    async (log, made) => {
      if (made.reopen === undefined) throw new Error("a log that persists needs `reopen`");
      const { epoch } = await write(log, started(newRun(), [at(1, "s1", { key: { name: "k", digest: "d" } })]));
      await write(log, next(1, [at(1, "end")], { ended: "completed" }));
      await sweep(log, now);
      const again = await made.reopen();
      expect(await again.position(alice)).toEqual({ epoch, first: 3, head: 2 });
      expect(await again.ledger()).toEqual({ accepted: 2, acked: 0, stored: 0, deadLettered: 2 });
      expect((await again.deadLetters({ limit: 9 })).entries).toMatchObject([{ kind: "retired", from: 1, upto: 2 }]);
      expect(await again.append(started(newRun(run2), [at(3, "s2")]))).toMatchObject({ offset: 3, seq: 1, fence: 1 });
      expect((await again.knownKeys({ tenantId: tenant, runId: run2 }, ["k"])).size).toBe(0);
      expect((await again.readRun(tenant, run2, 0, wide)).map(({ id }) => id)).toEqual(["id-s2"]);
      const third = await made.reopen();
      expect(await third.position(alice)).toEqual({ epoch, first: 3, head: 3 });
    },
  );
}
