/** The laws of the outbox: a row is there iff its event is, an ack ends what waits, and of two who move it one wins. */
import { asDeviceId, asTenantId, type StreamKey } from "../../../protocol/ids.ts";
import type { Append, EventLog } from "../../log/event-log.ts";
import type { OutboxRow } from "../../log/outbox.ts";
import type { LawBook, MadeLog } from "./law.ts";
import { alice, bob, event, keyed, newRun, notice, run1, started, tenant, time, write } from "./sample.ts";

const phone = asDeviceId("phone");
const roomy = 1_000;
const muchLater = "2026-12-25T10:00:00.000Z";

/** Notices of which those at `escalate` are critical. */
const critical = (stream: StreamKey, escalate: readonly number[], ...names: string[]): Append => ({
  ...notice(stream, ...names),
  escalate,
});
const rowsOf = async (log: EventLog, more: Parameters<EventLog["outbox"]>[0] = { limit: roomy }) =>
  (await log.outbox(more)).rows;
const offsetsOf = async (log: EventLog, stream: StreamKey): Promise<number[]> =>
  (await rowsOf(log, { stream, limit: roomy })).map(({ offset }) => offset);
const firstOf = async (log: EventLog): Promise<OutboxRow> => {
  const [row] = await rowsOf(log);
  if (row === undefined) throw new Error("the outbox is empty");
  return row;
};

export function outboxLaws({ law, expect }: LawBook): void {
  law("writes a row with each event that its append names, and says so in the bell", async (log) => {
    const rung: unknown[] = [];
    log.watch(({ head, escalated }) => rung.push([head, escalated?.map(({ offset }) => offset)]));
    await write(log, notice(alice, "plain"));
    const run = started(newRun(), [event("s1"), event("s2", { threadId: "t" }), event("s3")]);
    await write(log, { ...run, escalate: [0, 1] });
    const fresh = { type: "agent_thinking", time, state: "waiting", note: "", version: 1, runId: run1 };
    expect(await rowsOf(log)).toEqual([
      { stream: alice, offset: 2, eventId: "id-s1", ...fresh },
      { stream: alice, offset: 3, eventId: "id-s2", threadId: "t", ...fresh },
    ]);
    expect(rung).toEqual([
      [1, undefined],
      [4, [2, 3]],
    ]);
  });

  law("writes no row when it writes no event", async (log) => {
    await write(log, { stream: alice, events: [keyed("k")] });
    const again = await log.append({ stream: alice, events: [keyed("k")], escalate: [0] });
    expect(again).toMatchObject({ kind: "key_known" });
    expect(await rowsOf(log)).toEqual([]);
  });

  law("takes away what waits or is exhausted up to an acknowledged offset, and nothing else", async (log) => {
    await write(log, critical(alice, [0, 1, 2, 3, 4], "a", "b", "c", "d", "e"));
    await write(log, critical(bob, [0], "f"));
    const move = (offset: number, to: "trying" | "told" | "exhausted") =>
      log.moveOutbox({ stream: alice, offset, version: 1, to });
    await move(1, "trying");
    await move(2, "told");
    await move(3, "exhausted");
    await log.saveCursors([{ stream: alice, device: phone, offset: 4 }]);
    expect(await offsetsOf(log, alice)).toEqual([1, 2, 5]);
    expect(await offsetsOf(log, bob)).toEqual([1]);
    // A cursor that is not one of the stream acknowledges nothing.
    await log.saveCursors([{ stream: alice, device: phone, offset: 9 }]);
    expect(await offsetsOf(log, alice)).toEqual([1, 2, 5]);
  });

  law("moves a row from the version that was seen, and of two who try lets one win", async (log) => {
    await write(log, critical(alice, [0], "a"));
    const row = await firstOf(log);
    const move = (version: number, note?: string) =>
      log.moveOutbox({ stream: alice, offset: 1, version, to: "trying", note });
    const both = await Promise.all([move(1, "first"), move(1, "second")]);
    const moved = { ...row, state: "trying", note: "first", version: 2 };
    expect(both).toEqual([
      { kind: "moved", row: moved },
      { kind: "version_conflict", row: moved },
    ]);
    // A note that is not given stays.
    expect(await move(2)).toEqual({ kind: "moved", row: { ...moved, version: 3 } });
    expect(await rowsOf(log)).toEqual([{ ...moved, version: 3 }]);
    expect(await log.moveOutbox({ stream: alice, offset: 1, version: 3, to: undefined })).toEqual({
      kind: "moved",
      row: undefined,
    });
    expect(await move(3)).toEqual({ kind: "version_conflict", row: undefined });
    expect(await log.moveOutbox({ stream: bob, offset: 1, version: 1, to: "told" })).toEqual({
      kind: "version_conflict",
      row: undefined,
    });
  });

  law("does not move what a device has acknowledged, when it is asked not to", async (log) => {
    await write(log, critical(alice, [0, 1], "a", "b"));
    const move = (offset: number, version: number, unlessAcked: boolean) =>
      log.moveOutbox({ stream: alice, offset, version, to: "trying", unlessAcked });
    expect(await move(1, 1, true)).toMatchObject({ kind: "moved", row: { state: "trying" } });
    await log.saveCursors([{ stream: alice, device: phone, offset: 1 }]);
    // What is done is written down whatever was acknowledged meanwhile.
    expect(await move(1, 2, false)).toMatchObject({ kind: "moved" });
    expect(await move(1, 3, true)).toEqual({ kind: "acked" });
    expect(await offsetsOf(log, alice)).toEqual([2]);
    expect(await move(2, 1, true)).toMatchObject({ kind: "moved" });
  });

  law("lists rows in the order they were written, by stream, by state, in pages", async (log) => {
    await write(log, critical(alice, [0], "a"));
    await write(log, critical(bob, [0, 1], "b", "c"));
    await write(log, critical(alice, [0], "d"));
    await log.moveOutbox({ stream: bob, offset: 1, version: 1, to: "told" });
    await log.moveOutbox({ stream: bob, offset: 2, version: 1, to: "exhausted" });
    const ids = async (query: Partial<Parameters<EventLog["outbox"]>[0]>) =>
      (await rowsOf(log, { limit: roomy, ...query })).map(({ eventId }) => eventId);
    expect(await ids({})).toEqual(["id-a", "id-b", "id-c", "id-d"]);
    expect(await ids({ stream: bob })).toEqual(["id-b", "id-c"]);
    expect(await ids({ tenantId: tenant, stream: bob })).toEqual(["id-b", "id-c"]);
    expect(await ids({ tenantId: asTenantId("acm") })).toEqual([]);
    expect(await ids({ states: ["waiting", "exhausted"] })).toEqual(["id-a", "id-c", "id-d"]);
    expect(await ids({ states: ["told"], stream: bob })).toEqual(["id-b"]);
    const first = await log.outbox({ limit: 3 });
    expect(first.rows.length).toBe(3);
    await write(log, critical(alice, [0], "e"));
    const second = await log.outbox({ limit: 3, after: first.next ?? "" });
    expect(second.rows.map(({ eventId }) => eventId)).toEqual(["id-d", "id-e"]);
    expect(second.next).toBe(null);
  });

  law("lets retention take its rows with their events", async (log) => {
    await write(log, critical(alice, [0, 1], "a", "b"));
    await log.moveOutbox({ stream: alice, offset: 1, version: 1, to: "told" });
    await log.retire({ before: time, now: time, maxEvents: roomy });
    expect(await offsetsOf(log, alice)).toEqual([1, 2]);
    await log.retire({ before: muchLater, now: muchLater, maxEvents: roomy });
    expect(await rowsOf(log)).toEqual([]);
  });
}

export function outboxPersistenceLaws({ law, expect }: LawBook): void {
  law("has its outbox again when it is opened anew", async (log, { reopen }: MadeLog) => {
    await write(log, critical(alice, [0, 1], "a", "b"));
    await log.moveOutbox({ stream: alice, offset: 1, version: 1, to: "trying", note: '{"é":1}' });
    const before = await rowsOf(log);
    const again = await reopen?.();
    expect(await again?.outbox({ limit: roomy })).toEqual({ rows: before, next: null });
    await again?.saveCursors([{ stream: alice, device: phone, offset: 2 }]);
    expect((await again?.outbox({ limit: roomy }))?.rows.map(({ state }) => state)).toEqual(["trying"]);
  });
}
