/**
 * Whether the history in a file is still the one that readers saw. Beside the store lies a small file, `<store>.epoch`,
 * that remembers how far the store had come; a store that knows less was replaced, restored or lost its tail, and gets
 * a new epoch. What cannot be told counts as another history: readers then start over instead of reading wrong events.
 *
 * It cannot see a backup that was restored together with this file; cursors beyond the head still tell that one.
 */
import { closeSync, constants, fsyncSync, openSync, readFileSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { asEpoch, type Epoch } from "../../protocol/ids.ts";
import { newEpoch } from "./epoch.ts";

interface Mark {
  readonly epoch: Epoch;
  /** Counts the openings of the store. */
  readonly generation: number;
  /** Newest row of `events`. */
  readonly row: number;
  /** The boot under which commits did not wait for the disk; "" when the disk has everything. */
  readonly unsyncedBoot: string;
}

/** Smaller than a sector, always written whole, so a power cut leaves the old mark or the new one. */
const markBytes = 200;
const markPattern = /^runcast-epoch 1 (\S+) (\d{1,15}) (\d{1,15}) boot=(\S*) *\n$/;

export class EpochMark {
  readonly epoch: Epoch;
  readonly #file: number;
  readonly #generation: number;
  #row: number;
  #unsyncedBoot = "";

  /** `row` is the newest row in the store. Writes the store's next generation down, then the mark's. */
  constructor(path: string, database: DatabaseSync, row: number) {
    const known = readMeta(database);
    const mark = readMark(markPath(path));
    this.epoch = known !== undefined && mark !== undefined && isSame(known, row, mark) ? known.epoch : newEpoch();
    this.#generation = Math.max(known?.generation ?? 0, mark?.generation ?? 0) + 1;
    this.#row = row;
    writeMeta(database, this.epoch, this.#generation);
    this.#file = openSync(markPath(path), constants.O_RDWR | constants.O_CREAT, 0o600);
    this.#write();
    fsyncSync(this.#file);
    syncFolder(path);
  }

  /** Before a commit that does not wait for the disk: after a power cut its rows may be gone, though readers saw them. */
  beforeUnsynced(): void {
    if (this.#unsyncedBoot !== "") return;
    this.#unsyncedBoot = bootId();
    this.#write();
    fsyncSync(this.#file);
  }

  /** After a commit. Not synced: losing this leaves an older mark, which is never wrong, only less strict. */
  committed(row: number): void {
    if (row === this.#row) return;
    this.#row = row;
    this.#write();
  }

  /** Whether the store that was opened again is the one of this mark. */
  holds(database: DatabaseSync): boolean {
    return readMeta(database)?.generation === this.#generation;
  }

  /** `synced`: the disk has everything. */
  close(synced: boolean): void {
    if (synced) this.#unsyncedBoot = "";
    this.#write();
    fsyncSync(this.#file);
    closeSync(this.#file);
  }

  #write(): void {
    const text = `runcast-epoch 1 ${this.epoch} ${this.#generation} ${this.#row} boot=${this.#unsyncedBoot}`;
    writeSync(this.#file, `${text.padEnd(markBytes - 1)}\n`, 0);
  }
}

function isSame(known: { readonly epoch: Epoch; readonly generation: number }, row: number, mark: Mark): boolean {
  const isAsFar = known.generation >= mark.generation && row >= mark.row;
  const mayHaveLostRows = mark.unsyncedBoot !== "" && mark.unsyncedBoot !== bootId();
  return known.epoch === mark.epoch && isAsFar && !mayHaveLostRows;
}

const markPath = (path: string) => `${path}.epoch`;

function readMark(path: string): Mark | undefined {
  let text: string;
  try {
    text = readFileSync(path, "latin1");
  } catch {
    return undefined;
  }
  const [, epoch, generation, row, unsyncedBoot] = markPattern.exec(text) ?? [];
  if (epoch === undefined || unsyncedBoot === undefined) return undefined;
  return { epoch: asEpoch(epoch), generation: Number(generation), row: Number(row), unsyncedBoot };
}

function readMeta(database: DatabaseSync): { readonly epoch: Epoch; readonly generation: number } | undefined {
  const select = database.prepare("SELECT value FROM meta WHERE name = ?");
  const [epoch, generation] = [select.get("epoch")?.["value"], select.get("generation")?.["value"]];
  return typeof epoch === "string" ? { epoch: asEpoch(epoch), generation: Number(generation) } : undefined;
}

function writeMeta(database: DatabaseSync, epoch: Epoch, generation: number): void {
  const upsert = database.prepare(
    "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
  );
  database.exec("BEGIN");
  upsert.run("epoch", epoch);
  upsert.run("generation", String(generation));
  database.exec("COMMIT");
}

/** Changes when the machine starts; where it cannot be read, every start of the process counts as one. */
function bootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
  } catch {
    return `unknown-${process.pid}-${newEpoch()}`;
  }
}

/** A file that was just made survives a power cut only when its folder was synced too. */
function syncFolder(path: string): void {
  try {
    const folder = openSync(dirname(path), constants.O_RDONLY);
    fsyncSync(folder);
    closeSync(folder);
  } catch {
    // Not every system can sync a folder; those that cannot do it by themselves.
  }
}
