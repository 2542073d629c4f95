/** Reads the lines of an audit file by their bytes: only a line feed ends a line, and what has none is torn. */
import type { FileHandle } from "node:fs/promises";
import { open } from "node:fs/promises";
import { maxLineBytes } from "./audit-chain.ts";

const chunkBytes = 65_536;
const lineFeed = 0x0a;
/** UTF-8 may take four bytes for a character, and a line that was tampered with may be longer than ours. */
const maxReadLineBytes = 4 * maxLineBytes;

export interface FileLine {
  readonly text: string;
  /** Bytes from the file's beginning to the end of this line, its line feed included. */
  readonly endsAt: number;
  /** False: the file ends without a line feed, or the line is longer than any of ours. */
  readonly isWhole: boolean;
}

/** The lines behind a position, one after the other. */
export async function* linesOf(handle: FileHandle, from = 0): AsyncGenerator<FileLine> {
  const chunk = Buffer.alloc(chunkBytes);
  let rest = Buffer.alloc(0);
  let position = from;
  let endsAt = from;
  for (;;) {
    const { bytesRead } = await handle.read(chunk, 0, chunkBytes, position);
    if (bytesRead === 0) break;
    position += bytesRead;
    let bytes = Buffer.concat([rest, chunk.subarray(0, bytesRead)]);
    for (let at = bytes.indexOf(lineFeed); at !== -1; at = bytes.indexOf(lineFeed)) {
      endsAt += at + 1;
      yield { text: bytes.toString("utf8", 0, at), endsAt, isWhole: true };
      bytes = bytes.subarray(at + 1);
    }
    rest = Buffer.from(bytes);
    if (rest.length > maxReadLineBytes) break;
  }
  if (rest.length > 0) yield { text: rest.toString("utf8"), endsAt: endsAt + rest.length, isWhole: false };
}

/** The lines of a file from its beginning. Fails: the file system's errors. */
export async function* linesOfFile(path: string): AsyncGenerator<FileLine> {
  const handle = await open(path, "r");
  try {
    yield* linesOf(handle);
  } finally {
    await handle.close();
  }
}
