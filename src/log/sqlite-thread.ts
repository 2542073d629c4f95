/**
 * A worker thread of the SQLite log, seen from the main thread: questions and answers as promises. When the thread
 * dies, every call that waits and every later one fails with LogUnavailable.
 */
import { Worker } from "node:worker_threads";
import type { Epoch } from "../../protocol/ids.ts";
import { InvalidConfig, LogFull, LogUnavailable } from "../errors.ts";
import { systemClock } from "../platform/clock.ts";
import { logClosed, logRetryAfterMs } from "./closed.ts";
import type { FromWorker, SqliteReads, ToWorker, WorkerOptions, WriteAnswers, WriteGroup } from "./sqlite-messages.ts";

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

// The compiled file stands beside this one as .js, the source as .ts.
const workerFile = new URL(
  import.meta.url.endsWith(".ts") ? "./sqlite-worker.ts" : "./sqlite-worker.js",
  import.meta.url,
);

/** Its own: with the program's flags it would run the program's preloads, and `--input-type` would not let it start. */
const threadFlags = ["--disable-warning=ExperimentalWarning"];

/** As the system shows them, to who looks which thread is busy. */
const threadNames = { writer: "runcast-log", reader: "runcast-reader" } as const;

export class SqliteThread {
  readonly #worker: Worker;
  readonly #reads = new Map<number, Waiting>();
  readonly #exited: Promise<void>;
  #opening: Waiting | undefined;
  #write: (Waiting & { readonly sinceMs: number }) | undefined;
  #walBytes = 0;
  #lastId = 0;
  #failure: LogUnavailable | undefined;

  private constructor(options: WorkerOptions) {
    this.#worker = new Worker(workerFile, {
      workerData: options,
      name: threadNames[options.role],
      execArgv: threadFlags,
    });
    this.#worker.on("message", (message: FromWorker) => this.#hear(message));
    this.#worker.on("error", (error) => this.#fail(unavailable(`the log's thread failed: ${error.message}`, error)));
    this.#exited = new Promise((resolve) => {
      this.#worker.on("exit", () => {
        this.#fail(unavailable("the log's thread has ended"));
        resolve();
      });
    });
  }

  /** Fails: InvalidConfig (not a log, a newer schema, no such folder) and LogUnavailable (in use, cannot be read). */
  static async open(options: WorkerOptions): Promise<{ readonly thread: SqliteThread; readonly epoch: Epoch }> {
    const thread = new SqliteThread(options);
    try {
      const epoch = await new Promise((resolve, reject) => {
        thread.#opening = { resolve, reject };
      });
      thread.#rest();
      return { thread, epoch: epoch as Epoch };
    } catch (error) {
      await thread.#exited;
      throw error;
    }
  }

  /** How long the commit that is under way has taken so far; undefined when none is. */
  get writingMs(): number | undefined {
    return this.#write && systemClock.mono() - this.#write.sinceMs;
  }

  /** As it was after the last commit. */
  get walBytes(): number {
    return this.#walBytes;
  }

  /** The next group only after the answer to the last: `sqlite-queue` sees to it. */
  write(group: WriteGroup): Promise<WriteAnswers> {
    return this.#ask((waiting) => {
      this.#write = { ...waiting, sinceMs: systemClock.mono() };
      this.#send({ kind: "write", ...group });
    }) as Promise<WriteAnswers>;
  }

  read<Name extends keyof SqliteReads>(
    name: Name,
    ...input: Parameters<SqliteReads[Name]>
  ): Promise<ReturnType<SqliteReads[Name]>> {
    return this.#ask((waiting) => {
      const id = ++this.#lastId;
      this.#reads.set(id, waiting);
      this.#send({ kind: "read", id, name, input });
    }) as Promise<ReturnType<SqliteReads[Name]>>;
  }

  /** Answers what was asked before it, then ends the thread. */
  async close(): Promise<void> {
    if (this.#failure === undefined) {
      this.#worker.ref();
      this.#send({ kind: "close" });
    }
    await this.#exited;
  }

  #ask(put: (waiting: Waiting) => void): Promise<unknown> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      // Work that is under way keeps the process alive; an idle log does not.
      this.#worker.ref();
      put({ resolve, reject });
    });
  }

  #send(message: ToWorker): void {
    this.#worker.postMessage(message);
  }

  #hear(message: FromWorker): void {
    switch (message.kind) {
      case "opened":
        this.#opening?.resolve(message.epoch);
        this.#opening = undefined;
        return;
      case "notOpened":
        this.#fail(notOpened(message));
        return;
      case "written":
        this.#walBytes = message.walBytes;
        this.#settleWrite((write) => write.resolve(message.answers));
        return;
      case "notWritten":
        this.#settleWrite((write) => write.reject(notWritten(message)));
        return;
      case "answered":
        this.#settleRead(message.id, (read) => read.resolve(message.value));
        return;
      case "notAnswered":
        this.#settleRead(message.id, (read) => read.reject(unavailable(message.message)));
        return;
      case "closed":
        this.#failure = logClosed();
    }
  }

  #settleWrite(settle: (write: Waiting) => void): void {
    const write = this.#write;
    this.#write = undefined;
    if (write !== undefined) settle(write);
    this.#rest();
  }

  #settleRead(id: number, settle: (read: Waiting) => void): void {
    const read = this.#reads.get(id);
    this.#reads.delete(id);
    if (read !== undefined) settle(read);
    this.#rest();
  }

  #rest(): void {
    if (this.#write === undefined && this.#reads.size === 0) this.#worker.unref();
  }

  #fail(failure: LogUnavailable | InvalidConfig): void {
    this.#opening?.reject(failure);
    this.#opening = undefined;
    this.#failure ??= failure._tag === "LogUnavailable" ? failure : logClosed();
    this.#write?.reject(this.#failure);
    this.#write = undefined;
    for (const read of this.#reads.values()) read.reject(this.#failure);
    this.#reads.clear();
  }
}

function unavailable(message: string, cause?: unknown): LogUnavailable {
  return new LogUnavailable({ message, retryAfterMs: logRetryAfterMs, ...(cause !== undefined && { cause }) });
}

function notWritten({ because, message }: Extract<FromWorker, { kind: "notWritten" }>): LogFull | LogUnavailable {
  return because === "full" ? new LogFull({ message, retryAfterMs: logRetryAfterMs }) : unavailable(message);
}

function notOpened({ because, message }: Extract<FromWorker, { kind: "notOpened" }>): LogUnavailable | InvalidConfig {
  return because === "config" ? new InvalidConfig({ setting: "store", message }) : unavailable(message);
}
