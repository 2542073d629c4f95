/**
 * Runners that publish to a fleet, every call through a node at random, until they are told to end. Calls without an answer
 * are repeated with the same keys, through whatever node, until one settles them. What was acknowledged is kept by run.
 */
import { setTimeout as pause } from "node:timers/promises";
import { apiKeys } from "../built-server.ts";
import type { SaidEvent } from "../http-publisher.ts";
import { HttpPublisher, Refused } from "../http-publisher.ts";
import { call } from "../http-reader.ts";
import type { FleetReader, ReaderKind } from "./fleet-reader.ts";
import { read } from "./fleet-reader.ts";
import type { Fleet } from "./fleet.ts";
import { leaseMs } from "./fleet.ts";

/** One run as its runner saw it. */
export interface SaidRun {
  readonly runId: string;
  readonly userId: string;
  /** Names of the events whose call was accepted, in order. */
  readonly said: string[];
  /** Of the call that was refused because the run was over: an earlier try of it may have been written. */
  maybe: readonly string[];
  /** `refused`: it was over. `lost`: nobody knows it any more. */
  end: "completed" | "refused" | "lost" | undefined;
}

export interface LoadOptions {
  readonly userIds: readonly string[];
  readonly kinds: readonly ReaderKind[];
  readonly random: () => number;
  /** From one call of a runner to its next, at most. Units: ms. Default: what leaves a start or a failover its share of the machine. */
  readonly paceMs?: number;
}

const maxBatch = 3;
const maxCallsPerRun = 40;
/** No test holds more than so many events of a user. */
const maxCallsPerUser = 1_500;
const defaultPaceMs = 60;
const heartbeatShare = 0.1;
const [notFound, conflict, gone] = [404, 409, 410];

export class FleetLoad {
  readonly runs: SaidRun[] = [];
  readonly readers: readonly FleetReader[];
  readonly publisher: HttpPublisher;
  /** How often a runner was shut out by its store's new history, and took its run over. */
  claims = 0;
  readonly userIds: readonly string[];
  readonly #fleet: Fleet;
  readonly #random: () => number;
  readonly #paceMs: number;
  #isOver = false;
  readonly #all: Promise<unknown>;

  constructor(fleet: Fleet, { userIds, kinds, random, paceMs = defaultPaceMs }: LoadOptions) {
    this.#fleet = fleet;
    this.#random = random;
    this.#paceMs = paceMs;
    this.userIds = userIds;
    const anyUrl = (): string => fleet.anyUrl();
    this.publisher = new HttpPublisher(anyUrl);
    const { url: balancer } = fleet.balancer;
    this.readers = userIds.flatMap((userId) => kinds.map((kind) => read({ userId, kind, balancer, anyUrl, random })));
    this.#all = Promise.all(userIds.map((userId) => this.#publishFor(userId)));
    this.#all.catch(() => {});
  }

  /** Events that were acknowledged so far. */
  get count(): number {
    return this.publisher.acknowledged.length;
  }

  /** Until so many more are. Fails with what made a runner give up. */
  async more(events: number, timeoutMs = 40_000): Promise<void> {
    const target = this.count + events;
    const endMono = performance.now() + timeoutMs;
    while (this.count < target) {
      if (performance.now() > endMono)
        throw new Error(`${this.count} of ${target} events were taken in ${timeoutMs} ms`);
      await Promise.race([pause(5), this.#all]);
    }
  }

  /** Lets every run come to its end. Fails with what made a runner give up. */
  async end(): Promise<void> {
    this.#isOver = true;
    await this.#all;
  }

  close(): void {
    this.#isOver = true;
    for (const reader of this.readers) reader.close();
  }

  async #publishFor(userId: string): Promise<void> {
    for (let calls = 0, at = 0; !this.#isOver; at += 1) {
      if (calls >= maxCallsPerUser) throw new Error(`the test goes on for too long: ${calls} calls for ${userId}`);
      calls += await this.#run(userId, `${userId}.${at}`);
    }
  }

  async #run(userId: string, runId: string): Promise<number> {
    const run: SaidRun = { runId, userId, said: [], maybe: [], end: undefined };
    this.runs.push(run);
    const random = this.#random;
    const calls = 1 + Math.floor(random() * maxCallsPerRun);
    const held: Held = { ...(await this.publisher.startRun({ userId, runId })) };
    for (let at = 0; at < calls && !this.#isOver; at += 1) {
      const batch = Array.from(
        { length: 1 + Math.floor(random() * maxBatch) },
        (_, index) => `${runId}/${at}.${index}`,
      );
      const events = batch.map((name) => ({ type: "x.said", data: { name }, key: name }));
      if (!(await this.#say(run, held, events, batch))) return at;
      run.said.push(...batch);
      if (random() < heartbeatShare) await this.#heartbeat(held);
      await pause(random() * this.#paceMs);
    }
    if (await this.#say(run, held, [{ type: "agent_completed", data: {}, key: "end" }], [])) run.end = "completed";
    return calls;
  }

  /** False: the run was over, or was lost. */
  async #say(run: SaidRun, held: Held, events: readonly SaidEvent[], batch: readonly string[]): Promise<boolean> {
    for (;;)
      try {
        await this.publisher.publish(held, events);
        return true;
      } catch (cause) {
        if (!(cause instanceof Refused)) throw cause;
        if (cause.status === conflict && /"fenced"/.test(cause.message)) {
          // The same run, and the same keys: what is known of them is settled.
          held.fence = (await this.publisher.claim(run.runId)).fence;
          this.claims += 1;
        } else if (cause.status === gone || cause.status === notFound) {
          run.maybe = batch;
          run.end = cause.status === gone ? "refused" : "lost";
          return false;
        } else throw cause;
      }
  }

  /** Through any node. One that gets no answer is no harm: the next publish renews the lease. */
  async #heartbeat({ runId, fence }: Held): Promise<void> {
    await call(this.#fleet.anyUrl(), `POST /v1/runs/${runId}/heartbeat`, {
      as: apiKeys.publish,
      body: { fence },
      timeoutMs: leaseMs / 4,
    }).catch(() => {});
  }
}

interface Held {
  readonly runId: string;
  fence: unknown;
}
