import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { asRunId, asUserId, streamKey } from "../../../protocol/ids.ts";
import type { Bell, EventLog } from "../../../src/log/event-log.ts";
import { openPostgresLog } from "../../../src/log/postgres/postgres.ts";
import {
  alice,
  bob,
  ending,
  event,
  ids,
  keyed,
  newRun,
  next,
  notice,
  started,
  tenant,
  wide,
  write,
} from "../../../src/testing/event-log/sample.ts";
import { eventually } from "../../support/eventually.ts";
import { postgresClient } from "../../support/postgres-client.ts";
import { PostgresServer } from "../../support/postgres-server.ts";

let server: PostgresServer;
beforeAll(async () => {
  server = await PostgresServer.start();
});
afterAll(() => server[Symbol.asyncDispose]());

/** Two nodes on a database of their own. The poll is left out: what they hear, the bell says. */
async function twoNodes(options = "poll_ms=60000"): Promise<[EventLog, EventLog, string, () => Promise<unknown>]> {
  const url = `${await server.database()}?partitions=2&${options}`;
  const [one, other] = [await openPostgresLog({ url }), await openPostgresLog({ url })];
  return [one, other, url, () => Promise.all([one.close(), other.close()])];
}

function bellsOf(log: EventLog): Bell[] {
  const heard: Bell[] = [];
  log.watch((bell) => heard.push(bell));
  return heard;
}

const databaseOf = (url: string): string => new URL(url).pathname.slice(1);

describe("two nodes on one PostgreSQL", () => {
  it("let one of two writers at the same seq win, and one of two terminals (L2, L14)", async () => {
    const [one, other, , close] = await twoNodes();
    await write(one, started(newRun()));
    const append = (log: EventLog, seq: number, name: string) => log.append(next(seq, [event(name)]));
    for (let seq = 1; seq <= 20; seq += 1) {
      const kinds = (await Promise.all([append(one, seq, `one ${seq}`), append(other, seq, `other ${seq}`)])).map(
        ({ kind }) => kind,
      );
      expect(kinds.toSorted()).toEqual(["appended", "seq_conflict"]);
    }
    const ends = await Promise.all([one.append(ending(21, "failed")), other.append(ending(21, "interrupted"))]);
    expect(ends.map(({ kind }) => kind).toSorted()).toEqual(["appended", "run_ended"]);
    expect((await one.read(alice, 0, wide)).events.map(({ seq }) => seq)).toEqual(
      Array.from({ length: 22 }, (_, at) => at + 1),
    );
    await close();
  });

  it("fence each other: after a claim on one the older writer of the other is refused", async () => {
    const [one, other, , close] = await twoNodes();
    await write(one, started(newRun()));
    const claims = await Promise.all([one, other, one, other].map((log) => log.claim(tenant, asRunId("run-1"))));
    expect(claims.map((claim) => claim?.fence ?? 0).toSorted((a, b) => a - b)).toEqual([2, 3, 4, 5]);
    expect(await one.append(next(1, [event("old")], { fence: 4 }))).toEqual({ kind: "fenced", fence: 5 });
    expect(await other.append(next(1, [event("new")], { fence: 5 }))).toMatchObject({ kind: "appended", seq: 2 });
    await close();
  });

  it("make a run once, whoever of them is asked, in whichever of two streams", async () => {
    const [one, other, , close] = await twoNodes();
    for (let round = 0; round < 10; round += 1) {
      const runId = asRunId(`round-${round}`);
      const answers = await Promise.all([
        one.append(started(newRun(runId))),
        other.append(started(newRun(runId, bob))),
      ]);
      expect(answers.map(({ kind }) => kind).toSorted()).toEqual(["appended", "run_exists"]);
    }
    await close();
  });

  it("give dense offsets to streams that both write to in groups of any order, without a deadlock", async () => {
    const [one, other, , close] = await twoNodes();
    const streams = Array.from({ length: 12 }, (_, at) => streamKey(tenant, asUserId(`user ${at}`)));
    const all = (log: EventLog, name: string, order: typeof streams) =>
      Array.from({ length: 8 }, (_, round) =>
        order.map((stream) => write(log, notice(stream, `${name} ${round} ${stream}`))),
      ).flat();
    await Promise.all([...all(one, "one", streams), ...all(other, "other", streams.toReversed())]);
    for (const stream of streams) {
      const { events } = await one.read(stream, 0, wide);
      expect(events.map(({ offset }) => offset)).toEqual(Array.from({ length: 16 }, (_, at) => at + 1));
      const own = events.map(({ id }) => id).filter((id) => id.startsWith("id-one"));
      expect(own).toEqual(own.toSorted());
    }
    await close();
  });

  it("hide nothing behind a late commit: who holds a stream is waited for, and comes first (L3)", async () => {
    const [one, other, url, close] = await twoNodes();
    await write(one, notice(alice, "a"));
    await using holder = await postgresClient(url);
    await holder.query("BEGIN");
    await holder.query("SELECT 1 FROM runcast.streams WHERE stream = $1 FOR UPDATE", [alice]);
    const late = write(one, notice(alice, "b"));
    const later = write(other, notice(alice, "c"));
    // Another user is not held up, and nobody sees a place that is not written yet.
    await write(other, notice(bob, "d"));
    expect(await one.position(alice)).toMatchObject({ head: 1 });
    await holder.query("COMMIT");
    expect((await Promise.all([late, later])).map(({ offset }) => offset).toSorted((a, b) => a - b)).toEqual([2, 3]);
    expect((await ids(one, alice)).toSorted()).toEqual(["id-a", "id-b", "id-c"]);
    await close();
  });

  it("hear each other's bells for streams that are followed, without events, and their own with them", async () => {
    const [one, other, , close] = await twoNodes();
    const heard = bellsOf(one);
    const unfollow = await one.follow?.(alice);
    await write(other, notice(alice, "a", "b"));
    await write(other, notice(bob, "not followed"));
    await eventually(() => expect(heard.length).toBe(1));
    const { epoch } = await one.position(alice);
    expect(heard).toEqual([{ stream: alice, epoch, head: 2 }]);
    await write(one, notice(alice, "c"));
    expect(heard[1]).toMatchObject({ stream: alice, head: 3, events: [{ id: "id-c" }] });
    // Its own notification has come back by now, and rings nothing.
    await write(other, notice(alice, "d"));
    await eventually(() => expect(heard.length).toBe(3));
    expect(heard[2]).toEqual({ stream: alice, epoch, head: 4 });
    unfollow?.();
    await write(other, notice(alice, "e"));
    const again = await one.follow?.(bob);
    await write(other, notice(bob, "f"));
    await eventually(() => expect(heard.at(-1)).toMatchObject({ stream: bob, head: 2 }));
    expect(heard.filter(({ head }) => head === 5)).toEqual([]);
    again?.();
    await close();
  });

  it("hear everything again after the listening line was cut: each followed stream once, with where it stands", async () => {
    const [one, other, url, close] = await twoNodes();
    const heard = bellsOf(one);
    await Promise.all([one.follow?.(alice), one.follow?.(bob)]);
    await write(other, notice(alice, "a"));
    await eventually(() => expect(heard.length).toBe(1));
    const cut = await server.sql(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()",
      databaseOf(url),
    );
    expect(cut.length).toBeGreaterThan(0);
    await write(other, notice(alice, "b"));
    await eventually(() => expect(new Set(heard.slice(1).map(({ stream }) => stream))).toEqual(new Set([alice, bob])));
    await eventually(() => expect(heard.findLast(({ stream }) => stream === alice)?.head).toBe(2));
    await write(other, notice(alice, "c"));
    await eventually(() => expect(heard.at(-1)).toMatchObject({ stream: alice, head: 3 }));
    await close();
  });

  it("look at followed streams every few seconds, whatever the bell says", async () => {
    const [one, , url, close] = await twoNodes("poll_ms=50");
    const heard = bellsOf(one);
    await one.follow?.(alice);
    // Written by nobody who rings.
    await server.sql("INSERT INTO runcast.streams (stream, head) VALUES ('4:acme:alice', 7)", databaseOf(url));
    await eventually(() => expect(heard).toMatchObject([{ stream: alice, head: 7 }]));
    await close();
  });

  it("retire a stream once when both sweep at once, and leave the ledger even", async () => {
    const [one, other, url, close] = await twoNodes();
    const streams = Array.from({ length: 20 }, (_, at) => streamKey(tenant, asUserId(`user ${at}`)));
    await Promise.all(streams.map((stream) => write(one, notice(stream, "a", "b"))));
    const later = "2026-12-25T10:00:00.000Z";
    const sweep = { before: later, now: later, maxEvents: 1_000 };
    const swept = await Promise.all([one.retire(sweep), other.retire(sweep), one.retire(sweep)]);
    const ranges = swept.flatMap((one) => one.streams);
    expect(ranges.map(({ stream }) => stream).toSorted()).toEqual(streams.toSorted());
    expect(await one.ledger()).toEqual({ accepted: 40, acked: 0, stored: 0, deadLettered: 40 });
    expect(await server.sql("SELECT count(*)::int FROM runcast.events", databaseOf(url))).toEqual([[0]]);
    await close();
  });

  it("compact a run once when both try, to the same story", async () => {
    const [one, other, , close] = await twoNodes();
    const delta = (text: string) =>
      event(text, { type: "agent_delta", data: `{"messageId":"m","channel":"text","text":"${text}"}` });
    await write(one, started(newRun()));
    for (let seq = 1; seq <= 30; seq += 1) await write(one, next(seq, [delta(`${seq} `)]));
    await write(one, next(31, [event("end")], { ended: "completed" }));
    const ask = { endedBefore: "2026-12-25T10:00:00.000Z", maxEvents: 100 };
    const merged = (await Promise.all([one.compact(ask), other.compact(ask)])).map((done) => done.merged);
    expect(merged.toSorted((a, b) => a - b)).toEqual([0, 29]);
    const { events } = await one.read(alice, 0, wide);
    expect(events.map(({ offset }) => offset)).toEqual([1, 31, 32]);
    await close();
  });

  it("write a document and move a row of the outbox once, whoever of them is first", async () => {
    const [one, other, , close] = await twoNodes();
    const put = (log: EventLog) => log.putDocument({ kind: "k", key: "a", value: "1", expected: 0 });
    const answers = await Promise.all([put(one), put(other)]);
    expect(answers.map(({ kind }) => kind).toSorted()).toEqual(["version_conflict", "written"]);
    await write(one, { ...notice(alice, "a"), escalate: [0] });
    const move = (log: EventLog) => log.moveOutbox({ stream: alice, offset: 1, version: 1, to: "trying" });
    const moves = await Promise.all([move(one), move(other)]);
    expect(moves.map(({ kind }) => kind).toSorted()).toEqual(["moved", "version_conflict"]);
    await close();
  });

  it("settle a repeated batch by its keys, whichever node it comes to", async () => {
    const [one, other, , close] = await twoNodes();
    await write(one, started(newRun()));
    const batch = next(1, [keyed("k")]);
    const [first, second] = await Promise.all([one.append(batch), other.append(batch)]);
    expect([first.kind, second.kind].toSorted()).toEqual(["appended", "key_known"]);
    expect(await one.append(batch)).toMatchObject({ kind: "key_known", known: { seq: 2, offset: 2 } });
    await close();
  });
});
