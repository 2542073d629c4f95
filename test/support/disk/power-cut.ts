/**
 * What a disk may hold after a power cut: everything that was synced, and of each write since its file's last sync all,
 * nothing, or some of its sectors. Names are as strict: a file that was made, renamed or removed is so for sure only
 * once its folder was synced, and until then a beginning of these changes may be there.
 */
import type { DiskOp } from "./disk-trace.ts";

const sectorBytes = 512;

export interface ImageFile {
  readonly bytes: Buffer;
  readonly identity: string | undefined;
}

export interface DiskImage {
  readonly files: ReadonlyMap<string, ImageFile>;
  /** What the program had said when the power went. */
  readonly said: readonly string[];
  /** Writes that were whole, torn and gone, of those that nobody had synced. */
  readonly counts: { readonly kept: number; readonly torn: number; readonly dropped: number };
}

type Change = Extract<DiskOp, { kind: "write" | "truncate" }>;
type NameChange = Extract<DiskOp, { kind: "name" | "rename" | "unlink" }>;

/** Of a write that was not synced. Some cuts keep nearly all, some nearly nothing. */
interface Chances {
  readonly keep: number;
  readonly tear: number;
}

/** The disk when the power goes after `cut` operations. `random` gives numbers from 0 to 1. */
export function diskAfter(ops: readonly DiskOp[], cut: number, random: () => number): DiskImage {
  const disk = new Disk();
  const said: string[] = [];
  for (const op of ops.slice(0, cut)) {
    if (op.kind === "said") said.push(op.line);
    else disk.take(op);
  }
  const keep = random();
  return { ...disk.lose({ keep, tear: (1 - keep) * random() }, random), said };
}

class Disk {
  readonly #files = new Map<number, SimulatedFile>();
  /** As the synced folder has them. */
  readonly #names = new Map<string, number>();
  #changes: NameChange[] = [];

  take(op: Exclude<DiskOp, { kind: "said" }>): void {
    switch (op.kind) {
      case "write":
      case "truncate":
        return void this.#file(op.file).pending.push(op);
      case "sync":
        return this.#file(op.file).sync();
      case "identity":
        this.#file(op.file).identity = op.identity;
        return;
      case "syncFolder":
        for (const change of this.#changes) rename(this.#names, change);
        this.#changes = [];
        return;
      default:
        this.#changes.push(op);
    }
  }

  lose(chances: Chances, random: () => number): Omit<DiskImage, "said"> {
    const counts = { kept: 0, torn: 0, dropped: 0 };
    const names = new Map(this.#names);
    const keptChanges = Math.floor(random() * (this.#changes.length + 1));
    for (const change of this.#changes.slice(0, keptChanges)) rename(names, change);
    const files = new Map<string, ImageFile>();
    for (const [name, file] of names) files.set(name, this.#file(file).after(chances, random, counts));
    return { files, counts };
  }

  #file(file: number): SimulatedFile {
    const known = this.#files.get(file) ?? new SimulatedFile();
    this.#files.set(file, known);
    return known;
  }
}

class SimulatedFile {
  identity: string | undefined;
  pending: Change[] = [];
  #synced: Buffer = Buffer.alloc(0);

  sync(): void {
    for (const change of this.pending) this.#synced = changed(this.#synced, change);
    this.pending = [];
  }

  after(chances: Chances, random: () => number, counts: { kept: number; torn: number; dropped: number }): ImageFile {
    let bytes: Buffer = Buffer.from(this.#synced);
    for (const change of this.pending) {
      const dice = random();
      if (dice < chances.keep) {
        counts.kept += 1;
        bytes = changed(bytes, change);
      } else if (change.kind === "write" && dice < chances.keep + chances.tear) {
        counts.torn += 1;
        for (const sector of sectors(change)) if (random() < 1 / 2) bytes = changed(bytes, sector);
      } else counts.dropped += 1;
    }
    return { bytes, identity: this.identity };
  }
}

function* sectors(write: Extract<Change, { kind: "write" }>): Iterable<Change> {
  // A disk writes whole sectors, whatever the program's writes begin and end with.
  let at = write.at;
  const end = write.at + write.bytes.length;
  while (at < end) {
    const next = Math.min((Math.floor(at / sectorBytes) + 1) * sectorBytes, end);
    yield { ...write, at, bytes: write.bytes.subarray(at - write.at, next - write.at) };
    at = next;
  }
}

function changed(bytes: Buffer, change: Change): Buffer {
  const size = change.kind === "truncate" ? change.size : Math.max(bytes.length, change.at + change.bytes.length);
  let next = bytes;
  if (size !== bytes.length) {
    next = Buffer.alloc(size);
    bytes.copy(next, 0, 0, Math.min(size, bytes.length));
  }
  if (change.kind === "write") change.bytes.copy(next, change.at);
  return next;
}

function rename(names: Map<string, number>, change: NameChange): void {
  if (change.kind === "name") names.set(change.name, change.file);
  else if (change.kind === "unlink") names.delete(change.name);
  else {
    const file = names.get(change.from);
    names.delete(change.from);
    if (file !== undefined) names.set(change.to, file);
  }
}
