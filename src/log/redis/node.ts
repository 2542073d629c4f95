/**
 * One server of the store and the lines to it: one for writes, one for reads, one that hears bells; dialed when they are
 * needed, and settled before anything else is sent on them. `servers` knows which keys are here.
 */
import { InvalidConfig, LogUnavailable } from "../../errors.ts";
import type { Clock } from "../../platform/clock.ts";
import { logClosed } from "../closed.ts";
import { askOnNew, type Dial, type RawConnection } from "../../platform/redis-dialer.ts";
import { failureOf, unavailable } from "./failure.ts";
import { assertUsable, type ServerFacts, serverFacts } from "./identity.ts";
import { Line } from "./line.ts";
import { scripts } from "./script.ts";
import { shownUrl, type Terms } from "./terms.ts";

export type Role = "write" | "read" | "hear";

export interface NodeTerms extends Terms {
  readonly clock: Clock;
  readonly maxWaitingBytes: number;
  readonly dial: Dial;
  /** The history that the server holds: a conditional write. */
  readonly settle: (node: Node, connection: RawConnection, facts: ServerFacts) => Promise<string>;
}

interface Settled {
  readonly connection: RawConnection;
  /** Of the server when it was settled. */
  readonly facts: ServerFacts;
}

export class Node {
  readonly url: string;
  /** Its id in a cluster; `s`: it stands alone. */
  readonly id: string;
  readonly #terms: NodeTerms;
  readonly #lines = new Map<Role, Line>();
  readonly #settled = new WeakMap<Line, Settled>();
  readonly #opening = new Map<Role, Promise<Line>>();
  #isClosed = false;

  constructor(url: string, id: string, terms: NodeTerms) {
    this.url = url;
    this.id = id;
    this.#terms = terms;
  }

  ready(role: Role): Line | undefined {
    const line = this.#lines.get(role);
    return line?.isOpen === true ? line : undefined;
  }

  /** Fails: `LogUnavailable`, `InvalidConfig`. */
  line(role: Role): Promise<Line> {
    const ready = this.ready(role);
    if (ready !== undefined) return Promise.resolve(ready);
    if (this.#isClosed) return Promise.reject(logClosed());
    let opening = this.#opening.get(role);
    if (opening === undefined) {
      opening = this.#open(role).finally(() => this.#opening.delete(role));
      this.#opening.set(role, opening);
    }
    return opening;
  }

  /** Lines whose server is not any more the one that they were settled on are given up. */
  async verify(): Promise<void> {
    await Promise.all(
      [...this.#lines.values()].map(async (line) => {
        const known = this.#settled.get(line);
        if (!line.isOpen || known === undefined) return;
        // A line that answers nothing is given up by its own clock.
        await line.ask(["PING"]).catch(() => {});
        const facts = await serverFacts(known.connection).catch(() => undefined);
        if (facts !== undefined && !(await this.#isStill(line, known, facts))) line.close();
      }),
    );
  }

  async #isStill(line: Line, { connection, facts: before }: Settled, facts: ServerFacts): Promise<boolean> {
    if (facts.role !== "master") return false;
    // It is the same server: nothing is asked of the one that has the store's own key, which may be away.
    if (facts.runId === before.runId && facts.replicationId === before.replicationId) return true;
    const history = await this.#terms.settle(this, connection, facts).catch(() => undefined);
    return history === line.history;
  }

  drop(): void {
    for (const line of this.#lines.values()) line.close();
  }

  close(): void {
    this.#isClosed = true;
    this.drop();
  }

  async #open(role: Role): Promise<Line> {
    const { clock, callMs, connectMs, maxWaitingBytes, dial } = this.#terms;
    const late = () => unavailable(`${shownUrl(this.url)} does not answer`);
    const terms = { dial, url: this.url, resp: role === "hear" ? 3 : 2, clock, ms: connectMs, late } as const;
    try {
      const { connection, facts, history } = await askOnNew(terms, async (made) => {
        const settled = await this.#settle(made);
        // Bells need no scripts.
        if (role !== "hear") await load(made);
        return { connection: made, ...settled };
      });
      const line = new Line(connection, history, { clock, callMs, maxBytes: maxWaitingBytes });
      if (this.#isClosed) {
        line.close();
        throw logClosed();
      }
      this.#settled.set(line, { connection, facts });
      this.#lines.set(role, line);
      return line;
    } catch (error) {
      if (error instanceof InvalidConfig || error instanceof LogUnavailable) throw error;
      throw failureOf(error);
    }
  }

  async #settle(connection: RawConnection): Promise<{ readonly facts: ServerFacts; readonly history: string }> {
    const facts = await serverFacts(connection);
    assertUsable(facts, this.#terms);
    return { facts, history: await this.#terms.settle(this, connection, facts) };
  }
}

/** So that what goes out together on the line is also done in that order. */
async function load(connection: RawConnection): Promise<void> {
  const known = await connection.sendCommand(["SCRIPT", "EXISTS", ...scripts.map(({ sha }) => sha)]);
  const missing = scripts.filter((_, at) => !Array.isArray(known) || Number(known[at]) !== 1);
  await Promise.all(missing.map(({ text }) => connection.sendCommand(["SCRIPT", "LOAD", text])));
}
