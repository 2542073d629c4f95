/**
 * Whether the history in a file is still the one that readers saw. Beside the store lies a small file, `<store>.epoch`,
 * that remembers how far the store had come, and the store remembers which file that is: a store that knows less, or a
 * file that is a copy, was replaced, restored or lost its tail, and gets a new epoch. What cannot be told counts as
 * another history: readers then start over instead of reading wrong events.
 *
 * It cannot see a volume that was set back as a whole, with all files in place: deleting the file tells it.
 */
import { readFileSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import { asEpoch, type Epoch } from "../../protocol/ids.ts";
import { systemClock } from "../platform/clock.ts";
import { newEpoch } from "./epoch.ts";
import { fileIdentity, type Identify, MarkFile } from "./sqlite-mark-file.ts";

/**
 * The mark gets a file of its own again after this time, so that a copy of both files that is older than it is noticed
 * also when it was written over them in place. Costs three syncs of the disk.
 */
const sealMs = 60_000;

const markPattern = /^runcast-epoch 1 (\S+) (\d{1,15}) (\d{1,15}) boot=(\S*) *\n$/;

interface Mark {
  readonly epoch: Epoch;
  /** Counts the openings of the store. */
  readonly generation: number;
  /** Newest row of `events`. */
  readonly row: number;
  /** The boot under which commits did not wait for the disk; "" when the disk has everything. */
  readonly unsyncedBoot: string;
}

/** What the store knows about its mark. */
interface Known {
  readonly epoch: Epoch;
  readonly generation: number;
  /** Identities of files, one of which holds the mark: the one before the last change, and the one after. */
  readonly seals: readonly string[];
}

export class EpochMark {
  readonly epoch: Epoch;
  readonly #path: string;
  readonly #identify: Identify;
  readonly #generation: number;
  #file: MarkFile;
  #row: number;
  #unsyncedBoot = "";
  #sealedAtMs = systemClock.mono();

  /**
   * `row` is the newest row in the store. What is written is in an order that a kill at any point leaves right. `adopted`:
   * the epoch of the store that was moved into this one.
   */
  constructor(path: string, database: DatabaseSync, row: number, identify = fileIdentity, adopted?: Epoch) {
    const known = readMeta(database);
    const before = MarkFile.read(markPath(path), identify);
    const mark = before && parsed(before.text);
    const sealed = known?.seals.length === 0 || known?.seals.includes(before?.identity ?? "") === true;
    const isSame = known !== undefined && mark !== undefined && sealed && isAsFar(known, row, mark);
    this.epoch = adopted ?? (isSame ? known.epoch : newEpoch());
    this.#path = path;
    this.#identify = identify;
    this.#generation = Math.max(known?.generation ?? 0, mark?.generation ?? 0) + 1;
    this.#row = row;
    this.#file = this.#newFile(database, isSame ? before?.identity : undefined);
  }

  /** Before a commit that does not wait for the disk: after a power cut its rows may be gone, though readers saw them. */
  beforeUnsynced(): void {
    if (this.#unsyncedBoot !== "") return;
    this.#file.write(this.#text(bootId()));
    this.#file.sync();
    this.#unsyncedBoot = bootId();
  }

  /** After a commit. Not synced: losing this leaves an older mark, which is never wrong, only less strict. */
  committed(row: number): void {
    if (row === this.#row) return;
    this.#row = row;
    try {
      this.#file.write(this.#text());
    } catch {
      // Also less strict only: what was committed is committed.
    }
  }

  /** Whether `seal` is due. */
  get isOld(): boolean {
    return systemClock.mono() - this.#sealedAtMs > sealMs;
  }

  /** Gives the mark a new file, and the old one up. Writes to the store. */
  seal(database: DatabaseSync): void {
    this.#sealedAtMs = systemClock.mono();
    const old = this.#file;
    this.#file = this.#newFile(database, old.identity);
    old.close();
  }

  /** Whether the store that was opened again is the one of this mark. */
  holds(database: DatabaseSync): boolean {
    return readMeta(database)?.generation === this.#generation;
  }

  /** `synced`: the disk has everything. */
  close(synced: boolean): void {
    if (synced) this.#unsyncedBoot = "";
    this.#file.write(this.#text());
    this.#file.sync();
    this.#file.close();
  }

  /** First the file, then the store that knows it, then its name: between two of them the former file is known too. */
  #newFile(database: DatabaseSync, former: string | undefined): MarkFile {
    const file = MarkFile.make(markPath(this.#path), this.#text(), this.#identify);
    try {
      const seals = former === undefined ? [file.identity] : [former, file.identity];
      writeMeta(database, { epoch: this.epoch, generation: this.#generation, seals });
      file.takeName();
      return file;
    } catch (error) {
      file.close();
      throw error;
    }
  }

  #text(unsyncedBoot = this.#unsyncedBoot): string {
    return `runcast-epoch 1 ${this.epoch} ${this.#generation} ${this.#row} boot=${unsyncedBoot}`;
  }
}

function isAsFar(known: Known, row: number, mark: Mark): boolean {
  const mayHaveLostRows = mark.unsyncedBoot !== "" && mark.unsyncedBoot !== bootId();
  return known.epoch === mark.epoch && known.generation >= mark.generation && row >= mark.row && !mayHaveLostRows;
}

const markPath = (path: string) => `${path}.epoch`;

function parsed(text: string): Mark | undefined {
  const [, epoch, generation, row, unsyncedBoot] = markPattern.exec(text) ?? [];
  if (epoch === undefined || unsyncedBoot === undefined) return undefined;
  return { epoch: asEpoch(epoch), generation: Number(generation), row: Number(row), unsyncedBoot };
}

/** Of a store that its writer has open. */
export function epochOf(database: DatabaseSync): Epoch {
  const known = readMeta(database);
  if (known === undefined) throw new Error("the store has no epoch");
  return known.epoch;
}

function readMeta(database: DatabaseSync): Known | undefined {
  const select = database.prepare("SELECT value FROM meta WHERE name = ?");
  const [epoch, generation, seals] = ["epoch", "generation", "seals"].map((name) => select.get(name)?.["value"]);
  if (typeof epoch !== "string") return undefined;
  // A store of an earlier release knows none.
  const names = typeof seals === "string" ? seals.split(" ") : [];
  return { epoch: asEpoch(epoch), generation: Number(generation), seals: names };
}

/**
 * Fences that were handed out in a history that is gone must hold in none that follows (L14): every living run gets one
 * that lies beyond all that its claims can have reached.
 */
const fenceOff = `UPDATE runs SET fence = fence + ${2 ** 32} WHERE ended IS NULL`;

function writeMeta(database: DatabaseSync, { epoch, generation, seals }: Known): void {
  const upsert = database.prepare(
    "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
  );
  database.exec("PRAGMA synchronous = FULL; BEGIN IMMEDIATE");
  try {
    const before = readMeta(database)?.epoch;
    if (before !== undefined && before !== epoch) database.exec(fenceOff);
    upsert.run("epoch", epoch);
    upsert.run("generation", String(generation));
    upsert.run("seals", seals.join(" "));
    database.exec("COMMIT");
  } catch (error) {
    if (database.isTransaction) database.exec("ROLLBACK");
    throw error;
  }
}

/** Changes when the machine starts; where it cannot be read, every start of the process counts as one. */
function bootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
  } catch {
    return unknownBoot;
  }
}

const unknownBoot = `unknown-${process.pid}-${newEpoch()}`;
