/**
 * The audit log as a file: ADAPTER of `audit-log`. Entries are numbered, chained and written in batches beside the hot
 * path, and synced at most ten times a second. One that cannot be written waits in memory, bounded, and holds up nobody.
 */
import type { FileHandle } from "node:fs/promises";
import { mkdir, open, rename, stat } from "node:fs/promises";
import { dirname } from "node:path";
import type { Clock } from "../platform/clock.ts";
import type { Alerts } from "../telemetry/alerts.ts";
import type { ChainEnd } from "./audit-chain.ts";
import { nextLine } from "./audit-chain.ts";
import { codeOf, fullFiles, ownerOnly, writeHead } from "./audit-folder.ts";
import type { AuditEntry, AuditLog, AuditPage, AuditQuery } from "./audit-log.ts";
import { readAuditPage } from "./audit-pages.ts";

export interface AuditFileOptions {
  readonly file: string;
  /** Seals the lines so that nobody without it can make them anew. At least 32 bytes. */
  readonly key?: string | undefined;
  readonly clock: Clock;
  readonly alerts: Alerts;
  readonly maxFileBytes?: number | undefined;
}

const writeEveryMs = 100;
const retryMs = 1_000;
/** Lines that are hashed in one go: about a millisecond. */
const maxBatchLines = 256;
const maxWaiting = 20_000;
const defaultMaxFileBytes = 64 * 1_048_576;

/** Where the last process left the log. */
export interface FoundLog {
  readonly end: ChainEnd;
  readonly handle: FileHandle;
  readonly size: number;
  /** Lets others have the files. */
  readonly release: () => void;
}

interface Waiting {
  readonly entry: AuditEntry;
  readonly atMs: number;
}

export class AuditFile implements AuditLog {
  private readonly options: AuditFileOptions;
  private readonly release: () => void;
  private readonly waiting: Waiting[] = [];
  private end: ChainEnd;
  private handle: FileHandle | undefined;
  /** Bytes of whole lines. */
  private size: number;
  /** Behind them stands half a batch that could not be taken away. */
  private isTorn = false;
  private lost = 0;
  private isFailing = false;
  private wroteMono = Number.NEGATIVE_INFINITY;
  private cancelTimer: (() => void) | undefined;
  /** The writes that are under way, one after the other; never rejects. */
  private writing: Promise<void> = Promise.resolve();
  private isClosed = false;

  constructor(options: AuditFileOptions, { end, handle, size, release }: FoundLog) {
    this.options = options;
    this.release = release;
    this.end = end;
    this.handle = handle;
    this.size = size;
  }

  record(entry: AuditEntry): void {
    if (this.isClosed || this.waiting.length >= maxWaiting) {
      this.lost += 1;
      return;
    }
    this.waiting.push({ entry, atMs: this.options.clock.now() });
    this.writeIn(Math.max(0, this.wroteMono + writeEveryMs - this.options.clock.mono()));
  }

  async read(query: AuditQuery): Promise<AuditPage> {
    await this.flush();
    return readAuditPage(this.options.file, query);
  }

  /** Writes what waits, as far as it can be written, and lets go of the file. */
  async close(): Promise<void> {
    this.isClosed = true;
    await this.flush();
    await this.handle?.close().catch(() => {});
    this.release();
  }

  private writeIn(delayMs: number): void {
    this.cancelTimer ??= this.options.clock.after(delayMs, () => void this.flush());
  }

  /** Writes all that waits now. */
  private flush(): Promise<void> {
    this.cancelTimer?.();
    this.cancelTimer = undefined;
    this.writing = this.writing.then(() => this.writeAll());
    return this.writing;
  }

  private async writeAll(): Promise<void> {
    const { clock, alerts } = this.options;
    try {
      while (this.waiting.length > 0) {
        const batch = this.waiting.slice(0, maxBatchLines);
        await this.write(batch);
        this.waiting.splice(0, batch.length);
        this.confess();
      }
      this.wroteMono = clock.mono();
      if (this.isFailing) alerts.resolve("AuditNotWritten");
      this.isFailing = false;
    } catch (cause) {
      this.isFailing = true;
      alerts.raise({
        name: "AuditNotWritten",
        severity: "critical",
        summary: `The audit log cannot be written (${codeOf(cause) ?? "unknown error"}): ${this.waiting.length} entries wait in memory, ${this.lost} were lost`,
      });
      if (!this.isClosed) this.writeIn(retryMs);
    }
  }

  /** What found no room is at least counted. */
  private confess(): void {
    if (this.lost === 0 || this.waiting.length >= maxBatchLines) return;
    this.waiting.push({
      entry: { action: "audit_lost", details: { count: this.lost } },
      atMs: this.options.clock.now(),
    });
    this.lost = 0;
  }

  private async write(batch: readonly Waiting[]): Promise<void> {
    const { file, key, maxFileBytes = defaultMaxFileBytes } = this.options;
    let { end } = this;
    let text = "";
    for (const { entry, atMs } of batch) {
      const line = nextLine(end, entry, new Date(atMs).toISOString(), key);
      text += `${line.text}\n`;
      end = line.end;
    }
    const bytes = Buffer.from(text);
    const handle = await this.current(bytes.length, maxFileBytes);
    try {
      await handle.appendFile(bytes);
      await handle.datasync();
    } catch (cause) {
      this.isTorn = true;
      throw cause;
    }
    this.size += bytes.length;
    this.end = end;
    await writeHead(file, end, key);
  }

  /** The file to write to: ours still, or a new one where it is full or somebody has taken it away. */
  private async current(bytes: number, maxFileBytes: number): Promise<FileHandle> {
    const { file } = this.options;
    const there = await stat(file).catch(() => undefined);
    const mine = await this.handle?.stat();
    const isMine = there !== undefined && mine !== undefined && there.ino === mine.ino;
    const isFull = isMine && this.size > 0 && this.size + bytes > maxFileBytes;
    if (this.handle !== undefined && isMine && !isFull) {
      // Half a batch must not stand before the whole one.
      if (this.isTorn) await this.handle.truncate(this.size);
      else this.size = mine.size;
      this.isTorn = false;
      return this.handle;
    }
    await this.handle?.close().catch(() => {});
    this.handle = undefined;
    this.isTorn = false;
    await mkdir(dirname(file), { recursive: true });
    if (isFull) await rename(file, `${file}.${((await fullFiles(file)).at(-1)?.number ?? 0) + 1}`);
    this.handle = await open(file, "a", ownerOnly);
    this.size = (await this.handle.stat()).size;
    return this.handle;
  }
}
