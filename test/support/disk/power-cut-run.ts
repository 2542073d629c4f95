/**
 * Power cuts on the real store: a script's writes are recorded once, then its disk is rebuilt as it may be after a cut
 * at any point, and opened. The same seed cuts the same record in the same places.
 */
import { spawnSync } from "node:child_process";
import { fstatSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SqliteStore } from "../../../src/log/sqlite-store.ts";
import { type DiskOp, diskCalls, readTrace } from "./disk-trace.ts";
import { type Broken, broken, type Found, foundIn, keyedScript, promisedBy } from "./keyed-script.ts";
import { type DiskImage, diskAfter } from "./power-cut.ts";
import { requireStrace, straceArguments } from "./strace.ts";

const storeName = "log.db";
/** What an image is opened on: its syncs need not be real, and there are many. */
const fastFolder = "/dev/shm";

export interface PowerCuts {
  readonly images: number;
  /** Images that the store did not open, or that broke its word, with where and how. */
  readonly failures: readonly string[];
  readonly acknowledged: number;
  readonly lost: number;
  readonly operations: number;
  readonly kept: number;
  readonly torn: number;
  readonly dropped: number;
}

/** Records the script on this machine's disk. `os`: its appends do not wait for the disk. */
export function recordScript(durability: "fsync" | "os", rounds: number): readonly DiskOp[] {
  requireStrace();
  const folder = mkdtempSync(join(tmpdir(), "runcast-record-"));
  try {
    const output = join(folder, "trace");
    mkdirSync(join(folder, "store"));
    const path = join(folder, "store", storeName);
    const command = [process.execPath, keyedScript, path, String(rounds), durability];
    const { status, stderr } = spawnSync("strace", straceArguments({ trace: diskCalls, output, command }), {
      encoding: "utf8",
    });
    if (status !== 0) throw new Error(`the script ended with ${status}: ${stderr}`);
    return readTrace(readFileSync(output, "latin1"), join(folder, "store"));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export function cutPower(ops: readonly DiskOp[], images: number, random: () => number): PowerCuts {
  const base = statSync(fastFolder, { throwIfNoEntry: false })?.isDirectory() ? fastFolder : tmpdir();
  const folder = mkdtempSync(join(base, "runcast-cut-"));
  const totals = { images, failures: [] as string[], acknowledged: 0, lost: 0, operations: ops.length };
  const counts = { kept: 0, torn: 0, dropped: 0 };
  try {
    for (let image = 0; image < images; image += 1) {
      const cut = 1 + Math.floor(random() * ops.length);
      const disk = diskAfter(ops, cut, random);
      for (const name of ["kept", "torn", "dropped"] as const) counts[name] += disk.counts[name];
      const promised = promisedBy(disk.said);
      totals.acknowledged += promised.acks.size;
      let result: Broken | string;
      try {
        result = broken(promised, opened(disk, join(folder, String(image))));
        totals.lost += result.lost;
      } catch (error) {
        result = String(error);
      }
      const isSound = typeof result === "object" && !Object.values(result).some(Boolean);
      if (!isSound) totals.failures.push(`image ${image}, cut after ${cut}: ${JSON.stringify(result)}`);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  return { ...totals, ...counts };
}

/** Writes the disk down and opens it as a restarted server does. */
function opened({ files }: DiskImage, folder: string): Found {
  mkdirSync(folder);
  const identities = new Map<bigint, string>();
  for (const [name, { bytes, identity }] of files) {
    const path = join(folder, name);
    writeFileSync(path, bytes);
    if (identity !== undefined) identities.set(statSync(path, { bigint: true }).ino, identity);
  }
  // A file that was rebuilt stands for the one that it was.
  const identify = (file: number) => {
    const { ino } = fstatSync(file, { bigint: true });
    return identities.get(ino) ?? `made after the cut: ${ino}`;
  };
  const store = new SqliteStore({ path: join(folder, storeName), lockWaitMs: 0 }, identify);
  try {
    return foundIn(store);
  } finally {
    store.close();
    rmSync(folder, { recursive: true });
  }
}
