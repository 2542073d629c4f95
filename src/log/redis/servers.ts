/**
 * The servers of a store and the lines to them: one for writes and one for reads, dialed when they are needed and settled
 * before anything is sent on them. A server that stands alone has all slots.
 */
import { LogUnavailable } from "../../errors.ts";
import type { Clock } from "../../platform/clock.ts";
import { logClosed } from "../closed.ts";
import { InvalidConfig } from "../../errors.ts";
import { type Dial, dialer, type RawConnection } from "./dial.ts";
import { failureOf, unavailable } from "./failure.ts";
import { assertUsable, serverFacts, settle } from "./identity.ts";
import { keysOf, type Keys } from "./keys.ts";
import { Line } from "./line.ts";
import { scripts } from "./script.ts";
import { shownUrl, type Terms } from "./terms.ts";

export type Role = "write" | "read" | "hear";

interface Setup extends Terms {
  readonly clock: Clock;
  readonly maxWaitingBytes: number;
}

export class Servers {
  readonly keys: Keys;
  readonly #terms: Setup;
  readonly #dial: Dial;
  readonly #lines = new Map<Role, Line>();
  readonly #opening = new Map<Role, Promise<Line>>();
  #lost: string | undefined;
  #isClosed = false;

  private constructor(terms: Setup, dial: Dial) {
    this.#terms = terms;
    this.#dial = dial;
    this.keys = keysOf(terms.name);
  }

  static async open(terms: Setup): Promise<Servers> {
    const servers = new Servers(terms, await dialer(terms.callMs, terms.url));
    await servers.line("write", servers.keys.store);
    return servers;
  }

  /** The line, when there is one: what is sent on it now comes before all that is sent later. */
  ready(role: Role, _key: string): Line | undefined {
    const line = this.#lines.get(role);
    return line?.isOpen === true ? line : undefined;
  }

  /** Fails: `LogUnavailable`, `InvalidConfig`. */
  line(role: Role, key: string): Promise<Line> {
    const ready = this.ready(role, key);
    if (ready !== undefined) return Promise.resolve(ready);
    if (this.#isClosed) return Promise.reject(logClosed());
    let opening = this.#opening.get(role);
    if (opening === undefined) {
      opening = this.#open(role).finally(() => this.#opening.delete(role));
      this.#opening.set(role, opening);
    }
    return opening;
  }

  all(role: Role): readonly Line[] {
    const line = this.#lines.get(role);
    return line?.isOpen === true ? [line] : [];
  }

  /** A history lacks something that was acknowledged: the next lines begin a new one. */
  lose(history: string): void {
    this.#lost = history;
    this.drop();
  }

  drop(): void {
    for (const line of this.#lines.values()) line.close();
  }

  close(): void {
    this.#isClosed = true;
    this.drop();
  }

  async #open(role: Role): Promise<Line> {
    const { clock, callMs, maxWaitingBytes, url } = this.#terms;
    let raw: RawConnection | undefined;
    let isLate = false;
    const { promise: late, reject } = Promise.withResolvers<never>();
    const cancel = clock.after(2 * callMs, () => {
      isLate = true;
      reject(unavailable(`${shownUrl(url)} does not answer`));
    });
    try {
      const dialed = this.#dial(url, role === "hear" ? 3 : 2);
      dialed.then(
        (made) => {
          if (isLate) made.destroy();
        },
        () => {},
      );
      const connection = await Promise.race([dialed, late]);
      raw = connection;
      const history = await Promise.race([this.#settle(connection), late]);
      const line = new Line(connection, history, { clock, callMs, maxBytes: maxWaitingBytes });
      if (this.#isClosed) {
        line.close();
        throw logClosed();
      }
      this.#lines.set(role, line);
      return line;
    } catch (error) {
      raw?.destroy();
      if (error instanceof InvalidConfig || error instanceof LogUnavailable) throw error;
      throw failureOf(error);
    } finally {
      cancel();
    }
  }

  async #settle(connection: RawConnection): Promise<string> {
    const { clock } = this.#terms;
    const facts = await serverFacts(connection);
    assertUsable(facts, this.#terms);
    const history = await settle({
      ...{ store: connection, key: this.keys.store, node: "s", facts, lost: this.#lost },
      random: clock.random,
    });
    await Promise.all(scripts.map(({ text }) => connection.sendCommand(["SCRIPT", "LOAD", text])));
    return history;
  }
}
