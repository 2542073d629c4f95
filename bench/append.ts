/**
 * What an append costs: our SQLite log beside bare SQLite with the same tables and the same fsync, in the same run,
 * taking turns. One event an append, to a hundred runs of a hundred streams, as many appends a commit as the row says.
 * CPU is that of the whole process, so ours counts both threads.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { asRunId, asTenantId, asUserId, streamKey } from "../protocol/ids.ts";
import type { Append, NewEvent } from "../src/log/event-log.ts";
import { openSqliteLog } from "../src/log/sqlite.ts";
import { migrate } from "../src/log/sqlite-schema.ts";

export interface AppendFigures {
  readonly rowsPerCommit: number;
  readonly rowsPerSecond: number;
  readonly cpuMicrosPerRow: number;
  readonly floorRowsPerSecond: number;
  readonly floorCpuMicrosPerRow: number;
}

/** Appends of one round; many enough for a second or so, few enough for a slow disk. */
const sizes = [
  { rowsPerCommit: 1, commits: 500 },
  { rowsPerCommit: 10, commits: 400 },
  { rowsPerCommit: 100, commits: 200 },
  { rowsPerCommit: 1_000, commits: 40 },
];
const rounds = 3;
const streamCount = 100;

interface Writer {
  write(rowCount: number): Promise<void> | void;
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
  const next = (): Append => {
    const run = runs[row % streamCount];
    if (run === undefined) throw new Error("no run");
    const { runId, stream } = run;
    return { stream, events: [event(++row)], run: { tenantId, runId, expectedSeq: run.seq++, fence: 1 } };
  };
  return {
    write: async (rowCount) => {
      const answers = await Promise.all(Array.from({ length: rowCount }, () => log.append(next())));
      if (answers.some(({ kind }) => kind !== "appended")) throw new Error("an append was refused");
    },
    close: () => log.close(),
  };
}

function bareWriter(path: string): Writer {
  const database = new DatabaseSync(path);
  database.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
  database.exec("PRAGMA cache_size = -16000; PRAGMA wal_autocheckpoint = 4000");
  migrate(database);
  const insert = database.prepare("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  const offsets = Array.from({ length: streamCount }, () => 0);
  let row = 0;
  return {
    write: (rowCount) => {
      database.exec("BEGIN");
      for (let count = 0; count < rowCount; count++) {
        const stream = row % streamCount;
        const { id, type, time, data } = event(++row);
        const offset = (offsets[stream] ?? 0) + 1;
        offsets[stream] = offset;
        insert.run(row, stream, offset, stream, offset, id, type, time, data, null, null, 0, row);
      }
      database.exec("COMMIT");
    },
    close: () => database.close(),
  };
}

async function measure(writer: Writer, rowsPerCommit: number, commits: number) {
  const cpuBefore = process.cpuUsage();
  const startedMs = performance.now();
  for (let commit = 0; commit < commits; commit++) await writer.write(rowsPerCommit);
  const seconds = (performance.now() - startedMs) / 1_000;
  const cpu = process.cpuUsage(cpuBefore);
  const rows = rowsPerCommit * commits;
  return { rowsPerSecond: rows / seconds, cpuMicrosPerRow: (cpu.user + cpu.system) / rows };
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

/** One row of figures per size, each the median of the rounds. */
export async function measureAppend(): Promise<AppendFigures[]> {
  const folder = mkdtempSync(join(tmpdir(), "runcast-bench-"));
  const [ours, bare] = [await ourWriter(join(folder, "ours.db")), bareWriter(join(folder, "bare.db"))];
  const figures: AppendFigures[] = [];
  for (const { rowsPerCommit, commits } of sizes) {
    const measured = {
      ours: [] as Awaited<ReturnType<typeof measure>>[],
      bare: [] as Awaited<ReturnType<typeof measure>>[],
    };
    for (let round = 0; round < rounds; round++) {
      measured.bare.push(await measure(bare, rowsPerCommit, commits));
      measured.ours.push(await measure(ours, rowsPerCommit, commits));
    }
    figures.push({
      rowsPerCommit,
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
      String(figures.rowsPerCommit).padStart(11),
      figures.rowsPerSecond.toFixed(0).padStart(10),
      figures.floorRowsPerSecond.toFixed(0).padStart(11),
      (figures.rowsPerSecond / figures.floorRowsPerSecond).toFixed(2).padStart(9),
      figures.cpuMicrosPerRow.toFixed(1).padStart(11),
      figures.floorCpuMicrosPerRow.toFixed(1).padStart(12),
    ].join(" "),
  );
  const title = `append, fsync before it resolves, ${streamCount} runs, one event an append, median of ${rounds}`;
  return [title, "rows/commit     rows/s   SQLite/s  × SQLite  CPU µs/row  SQLite's CPU", ...rows].join("\n");
}
