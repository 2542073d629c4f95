/**
 * `WAIT`: an append is acknowledged when so many replicas have it. It is asked on the connection that wrote, once for all
 * that was answered meanwhile; where too few answer in time the outcome is unknown, for the append stands in the master.
 */
import { unavailable } from "./failure.ts";
import type { Line } from "./line.ts";
import type { Servers } from "./servers.ts";
import type { Terms } from "./terms.ts";

export class Replication {
  readonly #servers: Servers;
  readonly #terms: Terms;
  readonly #asking = new WeakMap<Line, Promise<void>>();

  constructor(servers: Servers, terms: Terms) {
    this.#servers = servers;
    this.#terms = terms;
  }

  /** After an append to a key of this line's server. Fails: `LogUnavailable`. */
  async reached(key: string): Promise<void> {
    if (this.#terms.waitReplicas === 0) return;
    const line = this.#servers.ready("write", key);
    if (line === undefined) throw unavailable("the connection broke before the replicas had it");
    let asking = this.#asking.get(line);
    if (asking === undefined) {
      // At the end of this turn's microtasks: all that one answer of the server brought is asked for together.
      asking = Promise.resolve().then(() => {
        this.#asking.delete(line);
        return this.#ask(line);
      });
      this.#asking.set(line, asking);
    }
    await asking;
  }

  async #ask(line: Line): Promise<void> {
    const { waitReplicas, waitMs } = this.#terms;
    const count = await line.ask(["WAIT", String(waitReplicas), String(waitMs)], waitMs);
    if (Number(count) < waitReplicas)
      throw unavailable(`${String(count)} of ${waitReplicas} replicas had it after ${waitMs} ms: it may be lost`);
  }
}
