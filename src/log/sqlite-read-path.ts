/**
 * The way of a read of the SQLite log. The writer's thread answers it between two commits; when a commit takes long, on
 * a slow disk or while another process holds the file, a second thread is started that answers beside it. What that one
 * shows is committed and synced, and as new as what anybody has heard: bells ring after the commit.
 */
import { systemClock } from "../platform/clock.ts";
import type { SqliteReads, WorkerOptions } from "./sqlite-messages.ts";
import { SqliteThread } from "./sqlite-thread.ts";

/** As long as a commit on a good disk never takes. */
const patienceMs = 50;

interface Waiting {
  readonly ask: (thread: SqliteThread) => Promise<unknown>;
  readonly resolve: (answer: unknown) => void;
}

export class SqliteReadPath {
  readonly #writer: SqliteThread;
  readonly #options: WorkerOptions;
  /** Reads that wait behind a commit. */
  readonly #waiting = new Set<Waiting>();
  #cancelTimer: (() => void) | undefined;
  #helper: Promise<SqliteThread | undefined> | undefined;

  constructor(writer: SqliteThread, options: Omit<WorkerOptions, "role">) {
    this.#writer = writer;
    this.#options = { ...options, role: "reader" };
  }

  read<Name extends keyof SqliteReads>(
    name: Name,
    ...input: Parameters<SqliteReads[Name]>
  ): Promise<ReturnType<SqliteReads[Name]>> {
    const ask = (thread: SqliteThread) => thread.read(name, ...input);
    const writingMs = this.#writer.writingMs;
    if (writingMs === undefined) return ask(this.#writer);
    if (writingMs >= patienceMs) return this.#askHelper(ask);
    return new Promise((resolve, reject) => {
      const waiting = { ask, resolve: resolve as Waiting["resolve"] };
      this.#waiting.add(waiting);
      ask(this.#writer)
        .then(resolve, reject)
        .finally(() => this.#waiting.delete(waiting));
      this.#cancelTimer ??= systemClock.after(patienceMs - writingMs, () => this.#overtake());
    });
  }

  async close(): Promise<void> {
    this.#cancelTimer?.();
    this.#waiting.clear();
    await (await this.#helper)?.close();
  }

  /** Whoever answers first is heard; when the helper fails, the writer's answer is on its way. */
  #overtake(): void {
    this.#cancelTimer = undefined;
    const writingMs = this.#writer.writingMs;
    if (this.#waiting.size === 0 || writingMs === undefined) return;
    if (writingMs < patienceMs) {
      // The commit that they waited for is over; this is a later one.
      this.#cancelTimer = systemClock.after(patienceMs - writingMs, () => this.#overtake());
      return;
    }
    for (const { ask, resolve } of this.#waiting) void this.#help(ask).then(resolve, () => {});
    this.#waiting.clear();
  }

  #askHelper<Answer>(ask: (thread: SqliteThread) => Promise<Answer>): Promise<Answer> {
    return this.#help(ask).catch(() => ask(this.#writer));
  }

  async #help<Answer>(ask: (thread: SqliteThread) => Promise<Answer>): Promise<Answer> {
    this.#helper ??= SqliteThread.open(this.#options).then(
      ({ thread }) => thread,
      () => {
        // Tried again with the next read.
        this.#helper = undefined;
        return undefined;
      },
    );
    const helper = await this.#helper;
    if (helper === undefined) throw new Error("no second thread");
    return ask(helper);
  }
}
