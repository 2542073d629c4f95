import { mkdtemp, readdir, readlink, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { asDeviceId } from "../../protocol/ids.ts";
import type { Bell, EventLog } from "../../src/log/event-log.ts";
import { openSqliteLog } from "../../src/log/sqlite.ts";
import { rejection } from "../../src/testing/event-log/law.ts";
import {
  alice,
  event,
  ids,
  keyed,
  newRun,
  next,
  notice,
  run1,
  started,
  tenant,
  time,
  wide,
  write,
} from "../../src/testing/event-log/sample.ts";

let folder: string;
let path: string;
let logs: EventLog[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "runcast-answers-"));
  path = join(folder, "log.db");
});
afterEach(async () => {
  for (const log of logs) await log.close();
  logs = [];
  await rm(folder, { recursive: true });
});

async function open(options: Partial<Parameters<typeof openSqliteLog>[0]> = {}): Promise<EventLog> {
  const log = await openSqliteLog({ path, lockWaitMs: 20, ...options });
  logs.push(log);
  return log;
}
const sized = (id: string, chars: number) => ({
  stream: alice,
  events: [event(id, { data: JSON.stringify("d".repeat(chars - 2)) })],
});
const entry = (data: string) => ({
  stream: alice,
  tenantId: tenant,
  runId: run1,
  type: "x.a",
  data,
  reason: "r",
  time,
});

describe("the answers of the SQLite log", () => {
  it("name who is in the way when another process writes to the file, and are right again when it has gone", async () => {
    const log = await open();
    const other = new DatabaseSync(path);
    other.exec("BEGIN IMMEDIATE");
    for (const failing of [log.append(notice(alice, "a")), log.probe?.()])
      expect(await rejection(failing ?? Promise.resolve())).toMatchObject({
        _tag: "LogUnavailable",
        message: `another process writes to ${path}`,
        retryAfterMs: 1_000,
      });
    expect(await ids(log, alice)).toEqual([]);
    other.exec("COMMIT");
    other.close();
    await log.probe?.();
    await write(log, notice(alice, "b"));
    expect(await ids(log, alice)).toEqual(["id-b"]);
  });

  it("say what went wrong with a read, and the log goes on", async () => {
    const log = await open();
    await write(log, notice(alice, "a"));
    const other = new DatabaseSync(path);
    other.exec("ALTER TABLE cursors RENAME TO stolen");
    const failure = await rejection(log.cursor(alice, asDeviceId("d")));
    expect(failure).toMatchObject({ _tag: "LogUnavailable" });
    expect(failure).toHaveProperty("message", expect.stringContaining("cursors"));
    expect(await ids(log, alice)).toEqual(["id-a"]);
    other.exec("ALTER TABLE stolen RENAME TO cursors");
    other.close();
    expect(await log.cursor(alice, asDeviceId("d"))).toBe(0);
  });

  it("refuse what would wait beyond the bound of waiting bytes, data and overhead counted", async () => {
    const log = await open({ maxWaitingBytes: 2_000 });
    const outcomes = await Promise.allSettled([
      log.append(sized("a", 1_000)),
      log.append(sized("b", 100)),
      log.append(sized("c", 101)),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "rejected"]);
    const apart = [1_700, 1, 200].map((chars) => log.quarantine(entry("d".repeat(chars))));
    expect((await Promise.allSettled(apart)).map(({ status }) => status)).toEqual([
      "fulfilled",
      "rejected",
      "rejected",
    ]);
    const cursors = Array.from({ length: 9 }, (_, at) => ({ stream: alice, device: asDeviceId(`${at}`), offset: 1 }));
    const saved = await Promise.allSettled([log.saveCursors(cursors), log.saveCursors(cursors.slice(0, 2))]);
    expect(saved.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
  });

  it("ring with the events as they will be read, at their places in the run (L15)", async () => {
    const log = await open();
    const rung: Bell[] = [];
    await write(log, notice(alice, "before"));
    await write(log, started(newRun()));
    log.watch((bell) => void rung.push(bell));
    await write(log, next(1, [event("a"), event("b"), event("c")]));
    const { events } = await log.read(alice, 2, wide);
    expect(events.map(({ seq, offset }) => [seq, offset])).toEqual([
      [2, 3],
      [3, 4],
      [4, 5],
    ]);
    expect(rung).toMatchObject([{ stream: alice, head: 5, events }]);
  });

  it("find each key of a batch at its own place", async () => {
    const log = await open();
    await write(log, notice(alice, "before"));
    await write(log, started(newRun(), [event("begin"), keyed("k1"), event("between"), keyed("k2")]));
    const known = await log.knownKeys({ tenantId: tenant, runId: run1 }, ["k1", "k2"]);
    expect([...known.values()].map(({ seq, offset }) => [seq, offset])).toEqual([
      [2, 3],
      [4, 5],
    ]);
    await write(log, { stream: alice, events: [event("x"), keyed("n1"), keyed("n2")] });
    const notices = await log.knownKeys({ stream: alice }, ["n1", "n2"]);
    expect([...notices.values()].map(({ seq, offset }) => [seq, offset])).toEqual([
      [0, 7],
      [0, 8],
    ]);
  });

  it("name each range of lost records once, however often it is read", async () => {
    const log = await open();
    for (const name of "abcdefg") await write(log, notice(alice, name));
    const other = new DatabaseSync(path);
    other.exec("DELETE FROM events WHERE last_offset IN (2, 3, 6)");
    other.close();
    for (let reads = 0; reads < 2; reads += 1) expect((await log.read(alice, 0, wide)).corrupt).toEqual([2, 3, 6]);
    const { entries } = await log.deadLetters({ limit: 9 });
    expect(entries).toMatchObject([
      { kind: "corrupt", stream: alice, tenantId: tenant, from: 6, upto: 6, events: 1 },
      { kind: "corrupt", from: 2, upto: 3, events: 2 },
    ]);
    expect(entries).toHaveLength(2);
  });

  it("leave no file open, and no lock, behind the end of the log", async () => {
    const log = await openSqliteLog({ path });
    await write(log, notice(alice, "a"));
    await log.close();
    const targets = await Promise.all(
      (await readdir("/proc/self/fd")).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => "")),
    );
    expect(targets.filter((target) => target.startsWith(folder))).toEqual([]);
    const again = await open();
    expect(await ids(again, alice)).toEqual(["id-a"]);
  });
});
