/**
 * A pool for vitest whose one thread outlives a run: most mutants then cost their tests and no start-up. A mutant that
 * is on while modules are loaded gets a thread of its own, and so does the run after it.
 */
import { type PoolOptions, type PoolWorker, ThreadsPoolWorker, type WorkerRequest } from "vitest/node";

type Event = Parameters<PoolWorker["on"]>[0];
type Listener = Parameters<PoolWorker["on"]>[1];

/** What a run leaves behind (a listener, a timer of a test that failed) does not pile up for longer. */
const maxRuns = 40;

let kept: { readonly thread: ThreadsPoolWorker; readonly runs: number } | undefined;

export class ReusedThread implements PoolWorker {
  static readonly poolName = "reused-thread";
  readonly name = ReusedThread.poolName;
  readonly #isStatic: boolean;
  readonly #listeners: (readonly [Event, Listener])[] = [];
  #thread: ThreadsPoolWorker;
  #runs = 0;
  #failed = false;

  constructor(options: PoolOptions) {
    const { mutantActivation } = options.project.getProvidedContext() as { mutantActivation?: string };
    this.#isStatic = mutantActivation === "static";
    this.#thread = new ThreadsPoolWorker(options);
  }

  static async end(): Promise<void> {
    const found = kept;
    kept = undefined;
    await found?.thread.stop();
  }

  async start(): Promise<void> {
    const found = kept;
    kept = undefined;
    if (found !== undefined && !this.#isStatic) {
      this.#thread = found.thread;
      this.#runs = found.runs;
    } else {
      await found?.thread.stop();
      await this.#thread.start();
    }
    this.on("error", () => (this.#failed = true));
    this.on("exit", () => (this.#failed = true));
  }

  async stop(): Promise<void> {
    for (const [event, listener] of this.#listeners) this.#thread.off(event, listener);
    this.#runs += 1;
    if (this.#isStatic || this.#failed || this.#runs >= maxRuns) await this.#thread.stop();
    else kept = { thread: this.#thread, runs: this.#runs };
  }

  on(event: Event, listener: Listener): void {
    this.#listeners.push([event, listener]);
    this.#thread.on(event, listener);
  }

  off(event: Event, listener: Listener): void {
    this.#thread.off(event, listener);
  }

  send(message: WorkerRequest): void {
    if (message.type !== "stop") return this.#thread.send(message);
    // The thread goes on: only the pool hears that it stopped.
    queueMicrotask(() => {
      for (const [event, listener] of this.#listeners)
        if (event === "message") listener({ type: "stopped", __vitest_worker_response__: true });
    });
  }

  deserialize(data: unknown): unknown {
    return data;
  }
}
