/**
 * A thread of the SQLite log. The writer takes groups of writes and single reads from `sqlite`, one after the other, and
 * is the only owner of the store; the reader takes reads.
 */
import { parentPort, workerData } from "node:worker_threads";
import { openForReading } from "./sqlite-database.ts";
import { epochOf } from "./sqlite-epoch.ts";
import { failureOf } from "./sqlite-failure.ts";
import type { FromWorker, SqliteReads, ToWorker, WorkerOptions } from "./sqlite-messages.ts";
import { SqliteReader } from "./sqlite-reader.ts";
import { WrongSchema } from "./sqlite-schema.ts";
import { SqliteStore } from "./sqlite-store.ts";

const port = parentPort;
if (port === null) throw new Error("sqlite-worker runs in a worker thread");

const say = (message: FromWorker) => port.postMessage(message);
const options = workerData as WorkerOptions;

try {
  if (options.role === "writer") serveStore(new SqliteStore(options));
  else serveReads();
} catch (error) {
  say(notOpened(options.path, error));
}

function serveStore(store: SqliteStore): void {
  port?.on("message", (message: ToWorker) => {
    switch (message.kind) {
      case "write":
        try {
          say({ kind: "written", answers: store.write(message), walBytes: store.walBytes });
        } catch (error) {
          say(notWritten(error));
        }
        return;
      case "read":
        return answer(message, () => read(store.reader, message));
      case "close":
        // A failure here ends the thread, and the other side hears of it.
        store.close();
        return closed();
    }
  });
  say({ kind: "opened", epoch: store.epoch });
}

function serveReads(): void {
  const database = openForReading(options);
  const reader = new SqliteReader(database);
  port?.on("message", (message: ToWorker) => {
    if (message.kind === "read") {
      answer(message, () => {
        // One read is several statements: no commit may come between them.
        database.exec("BEGIN");
        try {
          return read(reader, message);
        } finally {
          database.exec("COMMIT");
        }
      });
    } else {
      database.close();
      closed();
    }
  });
  say({ kind: "opened", epoch: epochOf(database) });
}

type Read = Extract<ToWorker, { kind: "read" }>;

function answer({ id }: Read, work: () => unknown): void {
  try {
    say({ kind: "answered", id, value: work() });
  } catch (error) {
    say({ kind: "notAnswered", id, message: reason(error) });
  }
}

/** The input was built by `sqlite` for this very name. */
function read(reader: SqliteReads, { name, input }: Read): unknown {
  const work = reader[name] as (...input: readonly unknown[]) => unknown;
  return work.apply(reader, [...input]);
}

function closed(): void {
  say({ kind: "closed" });
  port?.close();
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function notWritten(error: unknown): FromWorker {
  const failure = failureOf(error);
  if (failure === "full") return { kind: "notWritten", because: "full", message: `${options.path}: ${reason(error)}` };
  const message = failure === "held" ? `another process writes to ${options.path}` : reason(error);
  return { kind: "notWritten", because: "unavailable", message };
}

function notOpened(path: string, error: unknown): FromWorker {
  if (error instanceof WrongSchema)
    return { kind: "notOpened", because: "config", message: `${path} ${error.message}` };
  switch (failureOf(error)) {
    case "notADatabase":
      return { kind: "notOpened", because: "config", message: `${path} is not a database` };
    case "cannotOpen":
      return {
        kind: "notOpened",
        because: "config",
        message: `${path} cannot be opened: does its folder exist?`,
      };
    case "held":
      return { kind: "notOpened", because: "unavailable", message: `${path} is in use by another process` };
    case "full":
      return {
        kind: "notOpened",
        because: "unavailable",
        message: `${path} cannot be opened: its disk is full; make room on it`,
      };
    default:
      return { kind: "notOpened", because: "unavailable", message: `${path} cannot be opened: ${reason(error)}` };
  }
}
