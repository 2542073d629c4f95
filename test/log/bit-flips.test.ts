import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { asRunId } from "../../protocol/ids.ts";
import type { StoredEvent } from "../../src/log/event-log.ts";
import { openSqliteLog } from "../../src/log/sqlite.ts";
import { takeSlice } from "../../src/log/sqlite-slice.ts";
import { SqliteStore } from "../../src/log/sqlite-store.ts";
import { alice, bob, event, newRun, started, tenant, wide } from "../../src/testing/event-log/sample.ts";
import { seededRandom } from "../support/seeded-random.ts";

const seed = Number(process.env["SEED"] ?? 1);
const flips = Number(process.env["FLIPS"] ?? 500);
/** `all`: also where no checksum reaches, to see how much that is. */
const where = process.env["FLIP_PAGES"] === "all" ? "all" : "events";
/** Of the flips in all pages of a file as small as this one. */
const maxUncoveredShare = 0.01;
const patienceMs = 60_000 + 200 * flips;
const streams = [alice, bob];
const runCount = 30;
const appendsPerRun = 10;

const memoryFolder = "/dev/shm";
const base = statSync(memoryFolder, { throwIfNoEntry: false })?.isDirectory() ? memoryFolder : tmpdir();
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(base, "runcast-flip-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

interface Read {
  readonly events: readonly StoredEvent[];
  readonly corrupt: readonly number[];
}

/** What a server that starts on this file reads of each stream. */
function readAll(path: string): Read[] {
  const store = new SqliteStore({ path, lockWaitMs: 0 });
  try {
    return streams.map((stream) => {
      const { first, cells, corrupt } = store.reader.read(stream, 0, wide);
      return takeSlice(cells, corrupt, first, wide);
    });
  } finally {
    store.close();
  }
}

async function writeStore(path: string): Promise<void> {
  const log = await openSqliteLog({ path });
  for (let at = 0; at < runCount; at += 1) {
    const stream = streams[at % streams.length] ?? alice;
    const run = newRun(asRunId(`run-${at}`), stream);
    await log.append(started(run));
    for (let seq = 1; seq <= appendsPerRun; seq += 1) {
      const events = [event(`${at}/${seq}`, { data: JSON.stringify({ text: "word ".repeat(20) }) })];
      await log.append({ stream, events, run: { tenantId: tenant, runId: run.runId, expectedSeq: seq } });
    }
  }
  await log.close();
}

/** Pages of the file that hold events, and those of the index that finds them; or all. */
function eventPages(path: string): { readonly pages: number[]; readonly pageBytes: number } {
  const database = new DatabaseSync(path);
  const condition = where === "all" ? "" : "WHERE name IN ('events', 'events_place')";
  const select = database.prepare(`SELECT pageno FROM dbstat ${condition}`);
  const pages = select.all().map((row) => Number(row["pageno"]));
  const pageBytes = Number(database.prepare("PRAGMA page_size").get()?.["page_size"]);
  database.close();
  return { pages, pageBytes };
}

describe(`flipped bits in the events of a store (FAULTS 8, SEED=${seed})`, () => {
  it(
    `deliver nothing that was not said, in ${flips} places: what is lost is named, and all else comes`,
    async () => {
      const path = join(folder, "log.db");
      await writeStore(path);
      const truth = readAll(path);
      const sound = readFileSync(path);
      const { pages, pageBytes } = eventPages(path);
      expect(pages.length).toBeGreaterThan(10);
      const random = seededRandom(seed);
      const draw = (count: number) => Math.floor(random() * count);
      const figures = { harmless: 0, detected: 0, refused: 0, undetected: 0, eventsLost: 0 };
      for (let flip = 0; flip < flips; flip += 1) {
        const at = ((pages[draw(pages.length)] ?? 1) - 1) * pageBytes + draw(pageBytes);
        const bytes = Buffer.from(sound);
        bytes[at] = (bytes[at] ?? 0) ^ (1 + draw(255));
        const flipped = join(folder, `flip-${flip}`);
        mkdirSync(flipped);
        writeFileSync(join(flipped, "log.db"), bytes);
        let found: Read[] | undefined;
        try {
          found = readAll(join(flipped, "log.db"));
        } catch {
          // SQLite itself refuses the file: nobody is told anything wrong.
          figures.refused += 1;
        }
        for (const [index, { events, corrupt }] of (found ?? []).entries()) {
          const said = truth[index]?.events ?? [];
          const isTrue = events.every((one) => JSON.stringify(one) === JSON.stringify(said[one.offset - 1]));
          const offsets = [...events.map(({ offset }) => offset), ...corrupt].toSorted((one, other) => one - other);
          const isWhole = JSON.stringify(offsets) === JSON.stringify(said.map(({ offset }) => offset));
          if (!isTrue || !isWhole) figures.undetected += 1;
          else if (corrupt.length > 0) figures.detected += 1;
          figures.eventsLost += corrupt.length;
        }
        rmSync(flipped, { recursive: true });
      }
      figures.harmless = flips - figures.detected - figures.refused - figures.undetected;
      if (process.env["FLIPS"] !== undefined) console.info(JSON.stringify(figures));
      const allowed = where === "all" ? flips * maxUncoveredShare : 0;
      expect(figures.undetected, JSON.stringify(figures)).toBeLessThanOrEqual(allowed);
      // A flip costs its record; only one in the frame of a page costs more.
      expect(figures.detected).toBeGreaterThan(flips / 3);
      expect(figures.eventsLost / figures.detected).toBeLessThan(5);
    },
    patienceMs,
  );
});
