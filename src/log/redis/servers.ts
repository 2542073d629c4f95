/**
 * The servers of a store: one that stands alone, or the masters of a cluster, each with its slots. Who calls names a key,
 * and gets the line of the server that has it. A server that says that it has a slot no more has not done what was asked:
 * the call goes where it points.
 */
import { InvalidConfig, LogUnavailable } from "../../errors.ts";
import type { Clock } from "../../platform/clock.ts";
import { logClosed } from "../closed.ts";
import { askOnce, type RawConnection, redisDialer } from "../../platform/redis-dialer.ts";
import { failureOf, Moved, unavailable } from "./failure.ts";
import { type ServerFacts, serverFacts, settle } from "./identity.ts";
import { keysOf, type Keys } from "./keys.ts";
import type { Line } from "./line.ts";
import { Node, type NodeTerms, type Role } from "./node.ts";
import type { Script } from "./script.ts";
import { slotOf } from "./slot.ts";
import { addressed, slotRanges } from "./slot-map.ts";
import { shownUrl, type Terms } from "./terms.ts";

export interface ServersTerms extends Terms {
  readonly clock: Clock;
  readonly maxWaitingBytes: number;
}

/** How often a call follows a slot that moves. */
const maxMoves = 5;
const alone = "s";

export class Servers {
  readonly keys: Keys;
  /** Of a cluster: all keys of a script must be in one slot, and none may be missed while a slot moves. */
  #isCluster = false;
  readonly #terms: ServersTerms;
  readonly #nodeTerms: NodeTerms;
  readonly #nodes = new Map<string, Node>();
  #slots: Node[] = [];
  #lost: string | undefined;
  #refreshing: Promise<void> | undefined;
  #isClosed = false;

  private constructor(terms: ServersTerms, nodeTerms: Omit<NodeTerms, "settle">) {
    this.#terms = terms;
    this.#nodeTerms = { ...nodeTerms, settle: (node, connection, facts) => this.#settle(node, connection, facts) };
    this.keys = keysOf(terms.name);
  }

  /** Fails: `InvalidConfig`, `LogUnavailable`. */
  static async open(terms: ServersTerms): Promise<Servers> {
    const servers = new Servers(terms, {
      ...terms,
      dial: await redisDialer({ ...terms, setting: "store", shown: shownUrl(terms.url) }),
    });
    try {
      await servers.#begin();
    } catch (error) {
      servers.close();
      if (error instanceof InvalidConfig || error instanceof LogUnavailable) throw error;
      throw failureOf(error);
    }
    return servers;
  }

  /** The line, when there is one: what is sent on it now comes before all that is sent later. */
  ready(role: Role, key: string): Line | undefined {
    return this.#nodeOf(key)?.ready(role);
  }

  /** Fails: `LogUnavailable`, `InvalidConfig`. */
  async line(role: Role, key: string): Promise<Line> {
    if (this.#isClosed) throw logClosed();
    const node = this.#nodeOf(key);
    if (node === undefined) {
      await this.#refresh();
      const found = this.#nodeOf(key);
      if (found === undefined) throw unavailable("no server of the cluster has this slot");
      return found.line(role);
    }
    try {
      return await node.line(role);
    } catch (error) {
      // Perhaps another has taken its place: the next call asks there.
      if (this.#isCluster) await this.#refresh().catch(() => {});
      throw error;
    }
  }

  /** Runs a script where its key is. `args`: they may depend on the line. */
  async run(
    role: Role,
    key: string,
    script: Script,
    args: (line: Line) => readonly string[],
  ): Promise<{ readonly words: readonly string[]; readonly line: Line }> {
    let line = this.ready(role, key) ?? (await this.line(role, key));
    let isAsking = false;
    // With a key that is never there, a server does nothing while the slot moves: half of a stream is no stream.
    const keys = this.#isCluster ? [key, `${key.slice(0, key.indexOf("}:"))}}:none`] : [key];
    for (let moves = 0; ; moves += 1) {
      try {
        if (isAsking) line.ask(["ASKING"]).catch(() => {});
        return { words: await line.run(script, keys, args(line)), line };
      } catch (error) {
        if (!(error instanceof Moved) || moves >= maxMoves) throw error instanceof Moved ? failureOf(error) : error;
        isAsking = error.isOnce;
        line = await this.#follow(error).line(role);
      }
    }
  }

  /** A line to each. Fails: `LogUnavailable`. */
  masters(): Promise<readonly Line[]> {
    return Promise.all(
      [...new Set(this.#isCluster ? this.#slots : this.#nodes.values())].map((node) => node.line("write")),
    );
  }

  /** A slot is elsewhere. */
  moved(where: Moved): void {
    this.#follow(where);
  }

  /** A history lacks something that was acknowledged: the next lines begin a new one. */
  lose(history: string): void {
    this.#lost = history;
    this.drop();
  }

  drop(): void {
    for (const node of this.#nodes.values()) node.drop();
  }

  /** Gives up what is not any more what it was settled as. */
  async verify(): Promise<void> {
    await Promise.all([...this.#nodes.values()].map((node) => node.verify()));
  }

  close(): void {
    this.#isClosed = true;
    for (const node of this.#nodes.values()) node.close();
  }

  async #begin(): Promise<void> {
    const { url } = this.#terms;
    const first = await this.#once(url, async (connection) => {
      const { isCluster } = await serverFacts(connection);
      return isCluster ? slotRanges(connection, url) : undefined;
    });
    if (first === undefined) {
      this.#nodes.set(url, new Node(url, alone, this.#nodeTerms));
    } else {
      this.#isCluster = true;
      this.#take(first);
      if (this.#nodeOf(this.keys.store) === undefined) throw unavailable("the Redis cluster serves no slots yet");
    }
    await Promise.all([...this.#nodes.values()].map((node) => node.line("write")));
  }

  #nodeOf(key: string): Node | undefined {
    return this.#isCluster ? this.#slots[slotOf(key)] : this.#nodes.values().next().value;
  }

  #node(url: string, id: string): Node {
    const known = this.#nodes.get(url);
    if (known !== undefined && (known.id === id || id === "")) return known;
    known?.close();
    const node = new Node(url, id, this.#nodeTerms);
    this.#nodes.set(url, node);
    return node;
  }

  #take(ranges: Awaited<ReturnType<typeof slotRanges>>): void {
    const slots: Node[] = [];
    for (const { from, upto, url, id } of ranges) {
      const node = this.#node(url, id);
      for (let slot = from; slot <= upto; slot += 1) slots[slot] = node;
    }
    this.#slots = slots;
  }

  #follow({ slot, host, port, isOnce }: Moved): Node {
    const node = this.#node(addressed(this.#slots[slot]?.url ?? this.#terms.url, host, port), "");
    if (!isOnce) {
      this.#slots[slot] = node;
      void this.#refresh().catch(() => {});
    }
    return node;
  }

  /** Asks the servers that are known, one after another, who has what. */
  #refresh(): Promise<void> {
    this.#refreshing ??= this.#askAround().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  async #askAround(): Promise<void> {
    let cause: unknown;
    for (const url of new Set([...this.#nodes.keys(), this.#terms.url])) {
      try {
        const ranges = await this.#once(url, (connection) => slotRanges(connection, url));
        if (ranges.length > 0) return this.#take(ranges);
      } catch (error) {
        cause = error;
      }
    }
    throw unavailable("no server of the Redis cluster says who has which slots", cause);
  }

  /** On a connection of its own, within the time of one. */
  #once<Answer>(url: string, ask: (connection: RawConnection) => Promise<Answer>): Promise<Answer> {
    const { dial, clock, connectMs } = this.#nodeTerms;
    const late = () => unavailable("the Redis server does not answer");
    return askOnce({ dial, url, resp: 2, clock, ms: connectMs, late }, ask);
  }

  async #settle(node: Node, own: RawConnection, facts: ServerFacts): Promise<string> {
    const { clock } = this.#terms;
    const key = this.keys.store;
    const where = this.#nodeOf(key);
    const ask = (store: RawConnection): Promise<string> =>
      settle({ store, key, node: node.id, facts, lost: this.#lost, random: clock.random });
    return where === undefined || where === node ? ask(own) : this.#once(where.url, ask);
  }
}
