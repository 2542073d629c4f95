import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { asRunId } from "../../protocol/ids.ts";
import type { EventLog } from "../../src/log/event-log.ts";
import { openSqliteLog } from "../../src/log/sqlite.ts";
import {
  alice,
  bob,
  event,
  keyed,
  newRun,
  next,
  notice,
  run1,
  started,
  wide,
  write,
} from "../../src/testing/event-log/sample.ts";
import { tell, textOf } from "../support/told-run.ts";

const old = "2026-11-22T00:00:00.000Z";
const later = "2026-11-25T00:00:00.000Z";

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "runcast-keep-"));
  path = join(folder, "log.db");
});
afterEach(() => rm(folder, { recursive: true }));

const open = () => openSqliteLog({ path });

/** Looks at the closed file. */
function inspect<Answer>(work: (database: DatabaseSync) => Answer): Answer {
  const database = new DatabaseSync(path);
  try {
    return work(database);
  } finally {
    database.close();
  }
}
const countOf = (table: string): number =>
  inspect((database) => Number(database.prepare(`SELECT count(*) AS count FROM ${table}`).get()?.["count"]));
const pragma = (database: DatabaseSync, name: string): number =>
  Number(database.prepare(`PRAGMA ${name}`).get()?.[name]);
/** Bytes of the file that hold something. */
const usedBytes = (): number =>
  inspect(
    (database) => (pragma(database, "page_count") - pragma(database, "freelist_count")) * pragma(database, "page_size"),
  );
const fileBytes = (): number => inspect((database) => pragma(database, "page_count") * pragma(database, "page_size"));

async function sweep(log: EventLog, before: string, maxEvents = 1_000): Promise<void> {
  for (let after: string | undefined; ; ) {
    const { next: rest } = await log.retire({ before, now: later, maxEvents, after });
    if (rest === null) return;
    after = rest;
  }
}

async function compactAll(log: EventLog): Promise<void> {
  while ((await log.compact({ endedBefore: later, maxEvents: 1_000 })).more);
}

describe("the file of the SQLite log", () => {
  it("holds a tenth once 2,000 tokens that were appended one by one are compacted", async () => {
    const tokens = Array.from({ length: 2_000 }, (_, index) => `word${index % 100} `);
    await (await open()).close();
    const empty = usedBytes();
    const log = await open();
    await tell(log, alice, run1, tokens);
    const whole = textOf((await log.read(alice, 0, wide)).events);
    await log.close();
    const before = usedBytes() - empty;
    const again = await open();
    await compactAll(again);
    expect(textOf((await again.read(alice, 0, wide)).events)).toBe(whole);
    expect(await again.ledger()).toMatchObject({ accepted: 2_002, stored: 2_002 });
    await again.close();
    const after = usedBytes() - empty;
    expect(after).toBeLessThan(before / 10);
    expect(countOf("events")).toBeLessThan(8);
  });

  it("does not grow while as much goes as comes: freed pages are used again", async () => {
    const tokens = Array.from({ length: 400 }, (_, index) => `token ${index} ${"x".repeat(200)}`);
    const sizes: number[] = [];
    for (const round of [1, 2, 3, 4]) {
      const log = await open();
      await tell(log, alice, asRunId(`run ${round}`), tokens);
      await sweep(log, later);
      await log.close();
      sizes.push(fileBytes());
    }
    expect(sizes.at(-1)).toBeLessThanOrEqual((sizes[0] ?? 0) * 1.1);
  });

  it("keeps nothing of what retention took: no row, no key, no approval", async () => {
    const log = await open();
    await write(log, started(newRun(), [keyed("a"), keyed("b")]));
    await write(log, next(2, [keyed("c")], { approvals: ["a-1"], ended: "completed" }));
    await write(log, { stream: alice, events: [keyed("notice")] });
    await write(log, notice(bob, ...Array.from({ length: 100 }, (_, index) => `${index}`)));
    await sweep(log, later, 3);
    await log.close();
    for (const table of ["events", "keys", "approvals", "runs", "rubbish"])
      expect([table, countOf(table)]).toEqual([table, 0]);
    expect(countOf("streams")).toBe(2);
  });
});

describe("retention and compaction over broken records", () => {
  /** Changes a byte in the row of each of these texts. */
  async function damage(...marks: readonly string[]): Promise<void> {
    const bytes = await readFile(path);
    for (const mark of marks) {
      const at = bytes.indexOf(mark);
      expect(at, mark).toBeGreaterThan(0);
      bytes[at] = (bytes[at] ?? 0) ^ 1;
    }
    await writeFile(path, bytes);
  }

  it("go on behind them, and count them once", async () => {
    const log = await open();
    for (const name of ["mark-a", "b", "c", "mark-d", "e"]) await write(log, notice(alice, name));
    await write(log, { stream: alice, events: [event("young", { time: old })] });
    for (const name of ["mark-x", "mark-y"]) await write(log, notice(bob, name));
    await log.close();
    await damage("mark-a", "mark-d", "mark-x", "mark-y");
    const again = await open();
    // One of them is known when it goes, the others are not.
    expect((await again.read(alice, 3, { maxEvents: 1, maxBytes: 1 })).corrupt).toEqual([4]);
    await again.saveCursors([{ stream: alice, device: "d" as never, offset: 2 }]);
    await sweep(again, old);
    expect(await again.position(alice)).toMatchObject({ first: 6, head: 6 });
    expect(await again.position(bob)).toMatchObject({ first: 3, head: 2 });
    expect(await again.ledger()).toEqual({ accepted: 8, acked: 2, stored: 1, deadLettered: 5 });
    const { entries } = await again.deadLetters({ limit: 9 });
    const found = entries.map((one) => (one.kind === "quarantined" ? [] : [one.kind, one.from, one.upto, one.events]));
    expect(found.toReversed()).toEqual([
      ["corrupt", 4, 4, 1],
      ["retired", 3, 5, 2],
      ["retired", 1, 2, 2],
    ]);
    await again.close();
  });

  it("leave them where they are, and join what stands on either side", async () => {
    const log = await open();
    await tell(log, alice, run1, ["a ", "b ", "c ", "broken ", "d ", "e "]);
    await log.close();
    await damage("broken ");
    const again = await open();
    await compactAll(again);
    const { events, corrupt } = await again.read(alice, 0, wide);
    expect(events.map(({ offset }) => offset)).toEqual([1, 4, 7, 8]);
    expect(textOf(events)).toBe("|a b c d e |");
    expect(corrupt).toEqual([5]);
    expect(await again.ledger()).toEqual({ accepted: 8, acked: 0, stored: 7, deadLettered: 1 });
    await again.close();
  });
});
