/**
 * One file of the file spool: records one behind the other, each with its length and a checksum. A record that does not
 * check out ends the file: what stands there was never acknowledged, or the disk has changed it.
 */
import { type FileHandle, open, readFile } from "node:fs/promises";
import { crc32 } from "node:zlib";

/** Length of the text in bytes, and its CRC-32, both little endian. */
const headBytes = 8;
const crcAt = 4;
/** No record is longer: a length beyond it is not one. */
const maxRecordBytes = 256 * 2 ** 20;

function record(text: string): Buffer {
  const body = Buffer.from(text);
  const bytes = Buffer.allocUnsafe(headBytes + body.length);
  bytes.writeUInt32LE(body.length, 0);
  bytes.writeUInt32LE(crc32(body), crcAt);
  body.copy(bytes, headBytes);
  return bytes;
}

export interface ReadSegment {
  readonly texts: readonly string[];
  /** What stands behind them and is no record. */
  readonly tailBytes: number;
  /** The tail is long enough for the record that it begins: it was changed, not cut off. */
  readonly isDamaged: boolean;
}

export async function readSegment(path: string): Promise<ReadSegment> {
  const bytes = await readFile(path);
  const texts: string[] = [];
  let at = 0;
  let isDamaged = false;
  while (at + headBytes <= bytes.length) {
    const end = at + headBytes + bytes.readUInt32LE(at);
    if (end - at > maxRecordBytes || end > bytes.length) break;
    const body = bytes.subarray(at + headBytes, end);
    isDamaged = crc32(body) !== bytes.readUInt32LE(at + crcAt);
    if (isDamaged) break;
    texts.push(body.toString("utf8"));
    at = end;
  }
  return { texts, tailBytes: bytes.length - at, isDamaged };
}

/** The file that is written to. After a failure it is given up: nobody knows what the disk has of it. */
export class Segment {
  readonly path: string;
  bytes = 0;
  /** Records that are durable in it. */
  count = 0;
  readonly #file: FileHandle;

  private constructor(path: string, file: FileHandle) {
    this.path = path;
    this.#file = file;
  }

  static async make(path: string): Promise<Segment> {
    return new Segment(path, await open(path, "wx", 0o600));
  }

  /** Resolves when they are on the disk. Fails: what was written is cut off again, if the disk lets it. */
  async append(texts: readonly string[]): Promise<void> {
    const bytes = Buffer.concat(texts.map(record));
    try {
      // A disk that is nearly full takes a part without a word.
      for (let at = 0; at < bytes.length; )
        at += (await this.#file.write(bytes, at, bytes.length - at, this.bytes + at)).bytesWritten;
      await this.#file.datasync();
    } catch (error) {
      await this.cut();
      throw error;
    }
    this.bytes += bytes.length;
    this.count += texts.length;
  }

  /** Leaves nothing behind the last record that is durable. False: the disk does not let it. */
  async cut(): Promise<boolean> {
    try {
      await this.#file.truncate(this.bytes);
      return true;
    } catch {
      return false;
    }
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}
