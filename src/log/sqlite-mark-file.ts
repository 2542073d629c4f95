/**
 * The file in which `sqlite-epoch` keeps its mark: a text that is always written whole, and the identity of the file
 * itself, which no copy of it has.
 */
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";

/** Smaller than a sector, always written whole, so a power cut leaves the old mark or the new one. */
const markBytes = 200;

/** Names an open file as no copy of it is named. */
export type Identify = (file: number) => string;

/** Number and time of birth: a copy, and a file that was unpacked or moved to another disk, has others. */
export const fileIdentity: Identify = (file) => {
  const { ino, birthtimeNs } = fstatSync(file, { bigint: true });
  return `${ino}:${birthtimeNs}`;
};

export class MarkFile {
  readonly identity: string;
  readonly #file: number;
  readonly #path: string;

  private constructor(path: string, file: number, identify: Identify) {
    this.#path = path;
    this.#file = file;
    this.identity = identify(file);
  }

  static read(path: string, identify: Identify): { readonly text: string; readonly identity: string } | undefined {
    let file: number;
    try {
      file = openSync(path, constants.O_RDONLY);
    } catch {
      return undefined;
    }
    try {
      return { text: readFileSync(file, "latin1"), identity: identify(file) };
    } catch {
      return undefined;
    } finally {
      closeSync(file);
    }
  }

  /** A new file with this text, on the disk, without the name that it is for. */
  static make(path: string, text: string, identify: Identify): MarkFile {
    // What a kill left half made.
    rmSync(newPath(path), { force: true });
    const file = openSync(newPath(path), constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o600);
    const made = new MarkFile(path, file, identify);
    try {
      made.write(text);
      made.sync();
      return made;
    } catch (error) {
      made.close();
      throw error;
    }
  }

  /** Takes the place of the file before it, for good. */
  takeName(): void {
    renameSync(newPath(this.#path), this.#path);
    syncFolder(this.#path);
  }

  write(text: string): void {
    writeSync(this.#file, `${text.padEnd(markBytes - 1)}\n`, 0);
  }

  sync(): void {
    fsyncSync(this.#file);
  }

  close(): void {
    closeSync(this.#file);
  }
}

const newPath = (path: string) => `${path}.new`;

/** A new name survives a power cut only when its folder was synced too. */
function syncFolder(path: string): void {
  try {
    const folder = openSync(dirname(path), constants.O_RDONLY);
    fsyncSync(folder);
    closeSync(folder);
  } catch {
    // Not every system can sync a folder; those that cannot do it by themselves.
  }
}
