/**
 * What a program did to the files of one folder, read from a record of strace: writes, syncs, names, and the lines that
 * it said on stdout meanwhile. `power-cut` builds from it what a disk may hold when the power goes.
 */
import { basename, dirname } from "node:path";

export type DiskOp =
  | { readonly kind: "write"; readonly file: number; readonly at: number; readonly bytes: Buffer }
  | { readonly kind: "truncate"; readonly file: number; readonly size: number }
  | { readonly kind: "sync"; readonly file: number }
  | { readonly kind: "name"; readonly name: string; readonly file: number }
  | { readonly kind: "rename"; readonly from: string; readonly to: string }
  | { readonly kind: "unlink"; readonly name: string }
  | { readonly kind: "syncFolder" }
  /** What `fstat` named the file. */
  | { readonly kind: "identity"; readonly file: number; readonly identity: string }
  | { readonly kind: "said"; readonly line: string };

/** The calls that the record must hold. */
export const diskCalls = [..."openat write pwrite64 ftruncate fsync fdatasync rename unlink statx".split(" ")] as const;

const call = /^(\d+) +(\w+)\((.*)$/;
const resumed = /^(\d+) +<\.\.\. (\w+) resumed>(.*)$/;
const unfinished = / <unfinished \.\.\.>$/;
const text = /"((?:\\x[0-9a-f]{2})*)"/g;
const folderFile = -1;

export function readTrace(record: string, folder: string): DiskOp[] {
  const reader = new TraceReader(folder);
  const open = new Map<string, string>();
  for (const line of record.split("\n")) {
    const begun = call.exec(line);
    if (begun !== null) {
      const [, thread = "", name = "", rest = ""] = begun;
      if (unfinished.test(rest)) {
        const start = rest.replace(unfinished, "");
        open.set(thread, start);
        // What is said counts from when it is said; a write may reach the disk from when it is asked for.
        if (name === "write" || name === "pwrite64") reader.take(name, `${start}) = 1`);
        continue;
      }
      reader.take(name, rest);
      continue;
    }
    const [, thread = "", name = "", rest = ""] = resumed.exec(line) ?? [];
    if (name === "" || name === "write" || name === "pwrite64") continue;
    reader.take(name, `${open.get(thread) ?? ""}${rest}`);
  }
  return reader.ops;
}

class TraceReader {
  readonly ops: DiskOp[] = [];
  readonly #folder: string;
  /** Open files of the process by descriptor; those outside of the folder are not there. */
  readonly #files = new Map<number, number>();
  readonly #names = new Map<string, number>();
  #lastFile = 0;
  #said = "";

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** `rest` is what stands behind the name and the parenthesis: arguments and result. */
  take(name: string, rest: string): void {
    const result = Number(/= (-?\d+)[^=]*$/.exec(rest)?.[1] ?? -1);
    if (result < 0) return;
    const texts = [...rest.matchAll(text)].map(({ 1: hex = "" }) => Buffer.from(hex.replaceAll("\\x", ""), "hex"));
    const descriptor = Number.parseInt(rest, 10);
    switch (name) {
      case "openat":
        return this.#open(String(texts[0]), result);
      case "write":
        if (descriptor === 1) this.#say(String(texts[0]));
        return;
      case "rename":
        return this.#rename(String(texts[0]), String(texts[1]));
      case "unlink":
        return this.#unlink(String(texts[0]));
    }
    const file = this.#files.get(descriptor);
    if (file === undefined) return;
    switch (name) {
      case "pwrite64": {
        const [bytes = Buffer.alloc(0)] = texts;
        const at = Number(/, (\d+)\) += /.exec(rest)?.[1]);
        this.ops.push({ kind: "write", file, at, bytes });
        return;
      }
      case "ftruncate":
        this.ops.push({ kind: "truncate", file, size: Number(rest.split(",")[1]?.replace(/\).*/, "")) });
        return;
      case "fsync":
      case "fdatasync":
        this.ops.push(file === folderFile ? { kind: "syncFolder" } : { kind: "sync", file });
        return;
      case "statx":
        this.#identify(file, rest);
    }
  }

  #open(path: string, descriptor: number): void {
    this.#files.delete(descriptor);
    if (path === this.#folder) this.#files.set(descriptor, folderFile);
    const name = this.#nameOf(path);
    // SQLite builds the file of its shared memory anew whenever nobody has it open.
    if (name === undefined || name.endsWith("-shm")) return;
    let file = this.#names.get(name);
    if (file === undefined) {
      file = ++this.#lastFile;
      this.#names.set(name, file);
      this.ops.push({ kind: "name", name, file });
    }
    this.#files.set(descriptor, file);
  }

  #rename(from: string, to: string): void {
    const [fromName, toName] = [this.#nameOf(from), this.#nameOf(to)];
    if (fromName === undefined || toName === undefined) return;
    const file = this.#names.get(fromName);
    if (file === undefined) throw new Error(`${fromName} was renamed, and nobody made it`);
    this.#names.delete(fromName);
    this.#names.set(toName, file);
    this.ops.push({ kind: "rename", from: fromName, to: toName });
  }

  #unlink(path: string): void {
    const name = this.#nameOf(path);
    if (name !== undefined && this.#names.delete(name)) this.ops.push({ kind: "unlink", name });
  }

  #identify(file: number, rest: string): void {
    const inode = /stx_ino=(\d+)/.exec(rest)?.[1];
    const [, seconds, nanoseconds = "0"] = /stx_btime=\{tv_sec=(\d+), tv_nsec=(\d+)\}/.exec(rest) ?? [];
    if (inode === undefined || seconds === undefined) return;
    const identity = `${inode}:${seconds}${nanoseconds.padStart(9, "0")}`;
    this.ops.push({ kind: "identity", file, identity });
  }

  #say(said: string): void {
    const lines = `${this.#said}${said}`.split("\n");
    this.#said = lines.pop() ?? "";
    for (const line of lines) this.ops.push({ kind: "said", line });
  }

  #nameOf(path: string): string | undefined {
    return dirname(path) === this.#folder ? basename(path) : undefined;
  }
}
