import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { asDeviceId } from "../../protocol/ids.ts";
import type { NewEvent } from "../../src/log/event-log.ts";
import { openSqliteLog } from "../../src/log/sqlite.ts";
import { maxChunkEvents, packChunk, unpackChunk } from "../../src/log/chunk.ts";
import { SqliteReader } from "../../src/log/sqlite-reader.ts";
import { takeSlice } from "../../src/log/sqlite-slice.ts";
import { alice, event, newRun, next, started, wide, write } from "../../src/testing/event-log/sample.ts";

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "runcast-row-"));
  path = join(folder, "log.db");
});
afterEach(() => rm(folder, { recursive: true }));

/** Works on the closed file. */
function inspect<Answer>(work: (database: DatabaseSync) => Answer): Answer {
  const database = new DatabaseSync(path);
  // Nothing here must outlive a power cut.
  database.exec("PRAGMA synchronous = OFF");
  try {
    return work(database);
  } finally {
    database.close();
  }
}

const rowsOf = (): readonly (readonly [first: number, last: number])[] =>
  inspect((database) =>
    database
      .prepare("SELECT first_offset, last_offset FROM events ORDER BY row")
      .all()
      .map(({ first_offset: first, last_offset: last }) => [Number(first), Number(last)] as const),
  );

const many = (count: number, more: Partial<NewEvent> = {}): NewEvent[] =>
  Array.from({ length: count }, (_, index) => event(`${index}`, more));

describe("a row of the SQLite log", () => {
  it("holds one append, and a long or heavy append takes several", async () => {
    const log = await openSqliteLog({ path });
    const heavy = many(3, { data: JSON.stringify("x".repeat(15_000)) });
    for (const events of [many(1), many(maxChunkEvents), many(maxChunkEvents + 1), heavy]) {
      await write(log, { stream: alice, events });
    }
    const { events } = await log.read(alice, 0, wide);
    expect(events.map(({ offset }) => offset)).toEqual(Array.from({ length: 69 }, (_, index) => index + 1));
    expect(events.slice(33).map(({ id }) => id)).toEqual([...many(maxChunkEvents + 1), ...heavy].map(({ id }) => id));
    await log.close();
    expect(rowsOf()).toEqual([
      [1, 1],
      [2, 33],
      [34, 65],
      [66, 66],
      [67, 68],
      [69, 69],
    ]);
  });

  it("gives back ids and types that have nothing, or half a character, in common", async () => {
    const [high, first, second] = ["\ud83d", "\u{1f600}", "\u{1f601}"];
    const odd = [
      { id: `x${first}`, type: "a" },
      { id: `x${second}`, type: "a" },
      { id: `x${high}`, type: "", time: "another" },
      { id: "x", type: "a", threadId: "t" },
      { id: "", type: "a", traceparent: "tp" },
      { id: `"\n`, type: "0", repaired: true },
    ].map((fields) => ({ ...event(""), ...fields }));
    for (const events of [odd.slice(0, 2), odd.slice(0, 3), odd.slice(0, 4), odd, odd.toReversed()]) {
      const unpacked: unknown[] = [];
      const chunk = { ...packChunk(events, 0), firstOffset: 7, runId: undefined, firstSeq: undefined };
      unpackChunk(chunk, (stored) => unpacked.push(stored) > 0);
      expect(unpacked).toEqual(events.map((fields, index) => ({ ...fields, offset: 7 + index })));
    }
  });

  it("is read from its middle, and up to its middle", async () => {
    const log = await openSqliteLog({ path });
    await write(log, started(newRun(), many(20)));
    await write(log, next(20, many(20)));
    const offsets = async (after: number, maxEvents: number, maxBytes = 1_000) =>
      (await log.read(alice, after, { maxEvents, maxBytes })).events.map(({ offset }) => offset);
    expect(await offsets(17, 5)).toEqual([18, 19, 20, 21, 22]);
    // Each data text is 12 or 13 characters long.
    expect(await offsets(17, 9, 40)).toEqual([18, 19, 20]);
    expect(await offsets(38, 9)).toEqual([39, 40]);
    await log.saveCursors([{ stream: alice, device: asDeviceId("d"), offset: 25 }]);
    expect(await log.ledger(alice)).toEqual({ accepted: 40, acked: 25, stored: 15, deadLettered: 0 });
    await log.close();
  });

  it("tells a flip of any of its bytes, and takes no event of another row with it", async () => {
    const log = await openSqliteLog({ path });
    const middle = [event("c", { repaired: true, threadId: "t" }), event("d")];
    await write(log, started(newRun(), many(2)));
    await write(log, next(2, middle));
    await write(log, next(4, [event("e")]));
    await log.close();

    const sound = await readFile(path);
    const { meta, data } = packChunk(middle, 0);
    const textAt = sound.indexOf(meta + data);
    expect(textAt).toBeGreaterThan(0);
    // Before the texts: a header of 11 bytes, first and last offset and first seq. After them: the checksum, whose first bit
    // SQLite gives two bytes more.
    const beforeText = 14;
    const crc = inspect((database) => Number(database.prepare("SELECT crc FROM events WHERE row = 2").get()?.["crc"]));
    const afterText = crc >= 2 ** 31 ? 6 : 4;
    const end = textAt + meta.length + data.length + afterText;
    expect(end - textAt).toBeGreaterThan(100);
    for (const bit of [1, 4]) {
      for (let at = textAt - beforeText; at < end; at++) {
        const bytes = Buffer.from(sound);
        bytes[at] = (bytes[at] ?? 0) ^ bit;
        await writeFile(path, bytes);
        const found = inspect((database) => new SqliteReader(database).read(alice, 0, wide));
        const { events, corrupt } = takeSlice(found.cells, found.corrupt, 1, wide);
        const seen = { at: at - textAt, bit, ids: events.map(({ id }) => id), corrupt };
        expect(seen).toEqual({ at: at - textAt, bit, ids: ["id-0", "id-1", "id-e"], corrupt: [3, 4] });
      }
    }
  });
});
