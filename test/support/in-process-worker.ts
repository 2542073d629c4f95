/**
 * Stands in for `Worker` when the code of the SQLite log's thread must run in the test's own: a mutant is switched on
 * in one thread only. The two sides still talk through a real channel, so every message is cloned and comes later, in
 * order. `vitest.mutation.config.ts` puts it in the place of the real one, and makes a function of the thread's program.
 */
import { EventEmitter } from "node:events";
import { MessageChannel, type MessagePort } from "node:worker_threads";

type Program = (port: ProgramPort, workerData: unknown) => void;

// Loaded before any test begins, with all that it imports.
const { program } = (await import("../../src/log/sqlite-worker.ts")) as unknown as { readonly program: Program };

/** The program's end of the channel. What a listener throws ends the thread, as it does in a thread of its own. */
class ProgramPort {
  readonly #port: MessagePort;
  readonly #onError: (error: unknown) => void;
  /** Whether anybody listens: a thread that waits for nothing ends. */
  isHeard = false;

  constructor(port: MessagePort, onError: (error: unknown) => void) {
    this.#port = port;
    this.#onError = onError;
  }

  on(event: "message", listener: (message: unknown) => void): void {
    this.isHeard = true;
    this.#port.on(event, (message) => {
      try {
        listener(message);
      } catch (error) {
        this.#onError(error);
      }
    });
  }

  postMessage(message: unknown): void {
    this.#port.postMessage(message);
  }

  close(): void {
    this.#port.close();
  }
}

export class Worker extends EventEmitter {
  readonly #port: MessagePort;

  constructor(_file: URL, options: { readonly workerData: unknown }) {
    super();
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    port1.on("message", (message) => this.emit("message", message));
    port1.on("close", () => this.emit("exit", 0));
    const fail = (error: unknown) => {
      this.emit("error", error);
      port1.close();
    };
    const port = new ProgramPort(port2, fail);
    const workerData = structuredClone(options.workerData);
    setImmediate(() => {
      try {
        program(port, workerData);
        if (!port.isHeard) port.close();
      } catch (error) {
        fail(error);
      }
    });
  }

  postMessage(message: unknown): void {
    this.#port.postMessage(message);
  }

  ref(): void {
    this.#port.ref();
  }

  unref(): void {
    this.#port.unref();
  }
}
