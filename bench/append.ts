/**
 * What an append costs: our SQLite log beside bare SQLite with the same fsync, in the same run, taking turns. Bare
 * SQLite writes one row per event into one append-only table with an index on (stream, offset), and keeps no runs, no
 * counters and no rules. A hundred runs of a hundred streams; CPU is that of the whole process, so ours counts both
 * threads.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { asRunId, asTenantId, asUserId, streamKey } from "../protocol/ids.ts";
import type { Append, NewEvent } from "../src/log/event-log.ts";
import { openSqliteLog } from "../src/log/sqlite.ts";

export interface AppendFigures {
  readonly eventsPerAppend: number;
  /** Events; of ours, too. */
  readonly rowsPerCommit: number;
  readonly rowsPerSecond: number;
  readonly cpuMicrosPerRow: number;
  readonly floorRowsPerSecond: number;
  readonly floorCpuMicrosPerRow: number;
}

/** Events of one round: enough for a second or so, few enough for a slow disk. The last is what a run says in a turn. */
const sizes = [
  { eventsPerAppend: 1, appendsPerCommit: 1, commits: 500 },
  { eventsPerAppend: 1, appendsPerCommit: 10, commits: 400 },
  { eventsPerAppend: 1, appendsPerCommit: 100, commits: 200 },
  { eventsPerAppend: 1, appendsPerCommit: 1_000, commits: 40 },
  { eventsPerAppend: 29, appendsPerCommit: 100, commits: 20 },
];
const rounds = 3;
const streamCount = 100;

interface Writer {
  write(appendCount: number, eventsPerAppend: number): Promise<void> | void;
  close(): Promise<void> | void;
}

function event(row: number): NewEvent {
  const data = JSON.stringify({ messageId: "message-1", channel: "text", text: `a word or two of row ${row}` });
  return { id: `0192f0c1-aaaa-7000-8000-${row}`, type: "agent_delta", time: "2026-11-21T10:00:00.000Z", data };
}

async function ourWriter(path: string): Promise<Writer> {
  const log = await openSqliteLog({ path });
  const tenantId = asTenantId("bench");
  const runs = Array.from({ length: streamCount }, (_, index) => {
    const runId = asRunId(`run-${index}`);
    return { runId, stream: streamKey(tenantId, asUserId(`user-${index}`)), seq: 0 };
  });
  const shared = { tenantId, agent: "bench", profile: "standard", onIllegal: "reject", mode: "regular" } as const;
  for (const run of runs) {
    const { runId, stream } = run;
    const create = { ...shared, runId, stream, leaseMs: 1_000, startDigest: "", startedAt: "" };
    await log.append({ stream, events: [event(0)], run: { tenantId, runId, expectedSeq: run.seq++, create } });
  }
  let row = 0;
  let turn = 0;
  const next = (eventCount: number): Append => {
    const run = runs[turn++ % streamCount];
    if (run === undefined) throw new Error("no run");
    const { runId, stream, seq: expectedSeq } = run;
    run.seq += eventCount;
    const events = Array.from({ length: eventCount }, () => event(++row));
    return { stream, events, run: { tenantId, runId, expectedSeq, fence: 1 } };
  };
  return {
    write: async (appendCount, eventsPerAppend) => {
      const answers = await Promise.all(Array.from({ length: appendCount }, () => log.append(next(eventsPerAppend))));
      if (answers.some(({ kind }) => kind !== "appended")) throw new Error("an append was refused");
    },
    close: () => log.close(),
  };
}

function bareWriter(path: string): Writer {
  const database = new DatabaseSync(path);
  database.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
  database.exec("PRAGMA cache_size = -16000; PRAGMA wal_autocheckpoint = 4000");
  database.exec(`
    CREATE TABLE events (row INTEGER PRIMARY KEY, stream INTEGER, offset INTEGER, run INTEGER, seq INTEGER, id TEXT,
      type TEXT, time TEXT, data TEXT) STRICT;
    CREATE UNIQUE INDEX events_place ON events (stream, offset);
  `);
  const insert = database.prepare("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)");
  const offsets = Array.from({ length: streamCount }, () => 0);
  let row = 0;
  let turn = 0;
  return {
    write: (appendCount, eventsPerAppend) => {
      database.exec("BEGIN");
      for (let append = 0; append < appendCount; append++) {
        const stream = turn++ % streamCount;
        for (let count = 0; count < eventsPerAppend; count++) {
          const { id, type, time, data } = event(++row);
          const offset = (offsets[stream] ?? 0) + 1;
          offsets[stream] = offset;
          insert.run(row, stream, offset, stream, offset, id, type, time, data);
        }
      }
      database.exec("COMMIT");
    },
    close: () => database.close(),
  };
}

type Size = (typeof sizes)[number];

async function measure(writer: Writer, { eventsPerAppend, appendsPerCommit, commits }: Size) {
  const cpuBefore = process.cpuUsage();
  const startedMs = performance.now();
  for (let commit = 0; commit < commits; commit++) await writer.write(appendsPerCommit, eventsPerAppend);
  const seconds = (performance.now() - startedMs) / 1_000;
  const cpu = process.cpuUsage(cpuBefore);
  const rows = appendsPerCommit * eventsPerAppend * commits;
  return { rowsPerSecond: rows / seconds, cpuMicrosPerRow: (cpu.user + cpu.system) / rows };
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

/** One row of figures per size, each the median of the rounds. */
export async function measureAppend(): Promise<AppendFigures[]> {
  const folder = mkdtempSync(join(tmpdir(), "runcast-bench-"));
  const [ours, bare] = [await ourWriter(join(folder, "ours.db")), bareWriter(join(folder, "bare.db"))];
  const figures: AppendFigures[] = [];
  for (const size of sizes) {
    const measured = {
      ours: [] as Awaited<ReturnType<typeof measure>>[],
      bare: [] as Awaited<ReturnType<typeof measure>>[],
    };
    for (let round = 0; round < rounds; round++) {
      measured.bare.push(await measure(bare, size));
      measured.ours.push(await measure(ours, size));
    }
    figures.push({
      eventsPerAppend: size.eventsPerAppend,
      rowsPerCommit: size.eventsPerAppend * size.appendsPerCommit,
      rowsPerSecond: median(measured.ours.map(({ rowsPerSecond }) => rowsPerSecond)),
      cpuMicrosPerRow: median(measured.ours.map(({ cpuMicrosPerRow }) => cpuMicrosPerRow)),
      floorRowsPerSecond: median(measured.bare.map(({ rowsPerSecond }) => rowsPerSecond)),
      floorCpuMicrosPerRow: median(measured.bare.map(({ cpuMicrosPerRow }) => cpuMicrosPerRow)),
    });
  }
  await ours.close();
  await bare.close();
  rmSync(folder, { recursive: true });
  return figures;
}

/** The figures as a table. */
export async function benchAppend(): Promise<string> {
  const rows = (await measureAppend()).map((figures) =>
    [
      String(figures.eventsPerAppend).padStart(13),
      String(figures.rowsPerCommit).padStart(13),
      figures.rowsPerSecond.toFixed(0).padStart(9),
      figures.floorRowsPerSecond.toFixed(0).padStart(11),
      (figures.rowsPerSecond / figures.floorRowsPerSecond).toFixed(2).padStart(9),
      figures.cpuMicrosPerRow.toFixed(1).padStart(11),
      figures.floorCpuMicrosPerRow.toFixed(1).padStart(12),
    ].join(" "),
  );
  const title = `append, fsync before it resolves, ${streamCount} runs, median of ${rounds}; SQLite: one row per event`;
  const names = "events/append events/commit  events/s    SQLite/s  × SQLite CPU µs/event SQLite's CPU";
  return [title, names, ...rows].join("\n");
}
