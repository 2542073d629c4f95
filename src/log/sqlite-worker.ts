/**
 * The thread of the SQLite log: takes groups of writes and single reads from `sqlite`, one after the other, and is
 * the only owner of the store.
 */
import { parentPort, workerData } from "node:worker_threads";
import type { FromWorker, SqliteReads, ToWorker, WorkerOptions } from "./sqlite-messages.ts";
import { WrongSchema } from "./sqlite-schema.ts";
import { SqliteStore } from "./sqlite-store.ts";

const sqliteBusy = 5;
const sqliteCannotOpen = 14;
const sqliteNotADatabase = 26;

const port = parentPort;
if (port === null) throw new Error("sqlite-worker runs in a worker thread");

const say = (message: FromWorker) => port.postMessage(message);
const options = workerData as WorkerOptions;

try {
  const store = new SqliteStore(options);
  port.on("message", (message: ToWorker) => handle(store, message));
  say({ kind: "opened", epoch: store.epoch });
} catch (error) {
  say(notOpened(options.path, error));
}

function handle(store: SqliteStore, message: ToWorker): void {
  switch (message.kind) {
    case "write":
      try {
        say({ kind: "written", answers: store.write(message) });
      } catch (error) {
        say({ kind: "notWritten", message: reason(error) });
      }
      return;
    case "read":
      try {
        say({ kind: "answered", id: message.id, value: read(store.reader, message.name, message.input) });
      } catch (error) {
        say({ kind: "notAnswered", id: message.id, message: reason(error) });
      }
      return;
    case "close":
      // A failure here ends the thread, and the other side hears of it.
      store.close();
      say({ kind: "closed" });
      port?.close();
  }
}

/** The input was built by `sqlite` for this very name. */
function read(reader: SqliteReads, name: keyof SqliteReads, input: readonly unknown[]): unknown {
  const answer = reader[name] as (...input: readonly unknown[]) => unknown;
  return answer.apply(reader, [...input]);
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function notOpened(path: string, error: unknown): FromWorker {
  // Of an extended code the last byte says what failed.
  const code = error instanceof Error && "errcode" in error ? Number(error.errcode) & 0xff : undefined;
  if (error instanceof WrongSchema)
    return { kind: "notOpened", because: "config", message: `${path} ${error.message}` };
  if (code === sqliteNotADatabase)
    return { kind: "notOpened", because: "config", message: `${path} is not a database` };
  if (code === sqliteCannotOpen) {
    return { kind: "notOpened", because: "config", message: `${path} cannot be opened: does its folder exist?` };
  }
  const message = code === sqliteBusy ? "is in use by another process" : `cannot be opened: ${reason(error)}`;
  return { kind: "notOpened", because: "unavailable", message: `${path} ${message}` };
}
