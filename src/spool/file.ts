/**
 * The spool in a folder of files: what a Runcast without Redis keeps its events in while the log is down. Files are made
 * at first use, synced before an append resolves, and deleted when all that stands in them has left. The folder is locked
 * while a process has it open.
 */
import { mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { InvalidConfig, LogUnavailable } from "../errors.ts";
import { SqliteLock } from "../log/sqlite-lock.ts";
import type { Journal } from "../telemetry/journal.ts";
import { readSegment, Segment } from "./segment.ts";
import type { Spool } from "./spool.ts";

export interface FileSpoolOptions {
  /** Its own; made when it is not there. */
  readonly folder: string;
  readonly journal: Journal;
  /** A file is left for the next one beyond it. Default 8 MiB. */
  readonly maxSegmentBytes?: number | undefined;
}

const defaultSegmentBytes = 8 * 2 ** 20;
/** Names sort as numbers do. */
const numberDigits = 12;
export const segmentName = /^\d{12}\.spool$/;
const lockWaitMs = 2_000;
const retryAfterMs = 1_000;

interface Part {
  readonly path: string;
  /** Records that are still to be removed. */
  count: number;
  readonly isDamaged: boolean;
}

/** Fails: `InvalidConfig` when the folder cannot be used, `LogUnavailable` when another process has it. */
export async function openFileSpool({ folder, journal, ...options }: FileSpoolOptions): Promise<Spool> {
  const maxSegmentBytes = options.maxSegmentBytes ?? defaultSegmentBytes;
  const path = resolve(folder);
  const lock = await lockFolder(path);
  /** Oldest first; the last may be the one that is written to. */
  const parts: Part[] = [];
  let writing: { readonly segment: Segment; readonly part: Part } | undefined;
  let last = 0;
  let line: Promise<unknown> = Promise.resolve();

  /** One after the other, whatever became of the one before. */
  function inTurn<Value>(work: () => Promise<Value>): Promise<Value> {
    const turn = line.then(work, work);
    line = turn.catch(() => {});
    return turn;
  }

  async function load(): Promise<readonly string[]> {
    const names = (await readdir(path)).filter((name) => segmentName.test(name)).toSorted();
    const found: string[] = [];
    for (const name of names) {
      const file = join(path, name);
      const { texts, tailBytes, isDamaged } = await readSegment(file);
      last = Math.max(last, Number.parseInt(name, 10));
      // A record that was cut off was never acknowledged.
      if (tailBytes > 0) journal.write("warn", "spool.cutOff", { file, bytes: tailBytes });
      if (isDamaged) journal.write("error", "spool.damaged", { file, bytes: tailBytes });
      const part: Part = { path: file, count: texts.length, isDamaged };
      if (texts.length === 0) await drop(part);
      else parts.push(part);
      for (const text of texts) found.push(text);
    }
    return found;
  }

  async function target(): Promise<{ readonly segment: Segment; readonly part: Part }> {
    if (writing !== undefined && writing.segment.bytes < maxSegmentBytes) return writing;
    const full = writing;
    writing = undefined;
    await full?.segment.close();
    last += 1;
    const segment = await Segment.make(join(path, `${String(last).padStart(numberDigits, "0")}.spool`));
    writing = { segment, part: { path: segment.path, count: 0, isDamaged: false } };
    parts.push(writing.part);
    await syncFolder(path);
    return writing;
  }

  async function giveUp(): Promise<void> {
    const failed = writing;
    writing = undefined;
    if (failed === undefined) return;
    const isCut = await failed.segment.cut();
    await failed.segment.close().catch(() => {});
    if (failed.part.count > 0 || !isCut) return;
    parts.splice(parts.indexOf(failed.part), 1);
    await rm(failed.part.path, { force: true }).catch(() => {});
  }

  /** What a failed append has left, and the disk did not let us take away then. */
  async function tidy(): Promise<void> {
    for (const part of parts.filter(({ count }) => count === 0)) {
      if (part === writing?.part) continue;
      await drop(part);
      parts.splice(parts.indexOf(part), 1);
    }
  }

  async function remove(count: number): Promise<void> {
    let left = count;
    for (let part = parts[0]; part !== undefined && left > 0; part = parts[0]) {
      const taken = Math.min(part.count, left);
      if (taken === part.count) {
        if (writing?.part === part) {
          await writing.segment.close();
          writing = undefined;
        }
        await drop(part);
        parts.shift();
      }
      part.count -= taken;
      left -= taken;
    }
  }

  let loaded: readonly string[] | undefined;
  try {
    loaded = await load();
  } catch (cause) {
    lock.release();
    throw unusable(path, cause);
  }
  return {
    append: (texts) =>
      inTurn(async () => {
        if (texts.length === 0) return tidy();
        try {
          const { segment, part } = await target();
          await segment.append(texts);
          part.count += texts.length;
        } catch (error) {
          await giveUp();
          throw error;
        }
      }),
    async *entries() {
      const found = loaded ?? [];
      loaded = undefined;
      yield* found;
    },
    remove: (count) => inTurn(() => remove(count)),
    close: () =>
      inTurn(async () => {
        await writing?.segment.close();
        writing = undefined;
        lock.release();
      }),
  };
}

/** What a process holds until its end, however that comes. */
async function lockFolder(path: string): Promise<SqliteLock> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    return new SqliteLock({ path: join(path, "spool"), lockWaitMs });
  } catch (cause) {
    throw unusable(path, cause);
  }
}

/** A damaged one is kept, under a name that is not read again, for who wants to look at it. */
function drop({ path, isDamaged }: Part): Promise<void> {
  return isDamaged ? rename(path, `${path}.damaged`) : rm(path, { force: true });
}

const sqliteBusy = 5;

function unusable(path: string, cause: unknown): InvalidConfig | LogUnavailable {
  if (cause instanceof Error && "errcode" in cause && cause.errcode === sqliteBusy)
    return new LogUnavailable({ message: `the spool ${path} is in use by another process`, retryAfterMs, cause });
  const why = cause instanceof Error ? cause.message : String(cause);
  return new InvalidConfig({ setting: "spool", message: `is ${path}, which cannot be used: ${why}` });
}

/** A new name survives a power cut only when its folder was synced too. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
