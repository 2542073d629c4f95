/**
 * The spool in a Redis stream, through the optional package `redis`, for who runs a Redis with an append-only file: an
 * append is as durable as that server makes it (`appendonly yes`, `appendfsync always`). No call waits longer than a second
 * for it; a connection that did not answer is dropped, and the next call makes a new one.
 */
import { LogUnavailable } from "../errors.ts";
import type { Clock } from "../platform/clock.ts";
import { type RawConnection, redisDialer } from "../platform/redis-dialer.ts";
import { within } from "../platform/within.ts";
import type { Journal } from "../telemetry/journal.ts";
import { appendScript, removeScript, takeScript } from "./redis-scripts.ts";
import { type Spool, SpoolLost } from "./spool.ts";

export interface RedisSpoolOptions {
  /** `redis://…` or `rediss://…`. */
  readonly url: string;
  /** Of the store: two stores on one server never share a spool. */
  readonly name: string;
  readonly clock: Clock;
  readonly journal: Journal;
  /** False: nothing can wait in it, so it may answer later. Default true. */
  readonly mustAnswer?: boolean | undefined;
  /** How long a call may take. Default 1,000 ms. */
  readonly callMs?: number | undefined;
}

const defaultCallMs = 1_000;
/** When it is opened nobody waits but the start, which fails without it. */
const openMs = 10_000;
const retryAfterMs = 1_000;
/** Entries that are read at once when the spool is opened. */
const pageEntries = 500;
/** 96 bits: no two owners ever share one. */
const ownerBytes = 12;

type Entry = readonly [id: string, fields: readonly string[]];

/**
 * Takes the spool over: a process that had it before can write to it no more.
 *
 * Fails: `InvalidConfig` without the package, `LogUnavailable` when the server does not answer.
 */
export async function openRedisSpool({ url, name, clock, journal, ...options }: RedisSpoolOptions): Promise<Spool> {
  const { callMs = defaultCallMs, mustAnswer = true } = options;
  const dial = await redisDialer({ connectMs: callMs, setting: "spool", shown: shown(url) });
  const stream = `runcast:spool:{${name}}`;
  const keys = ["2", stream, `${stream}:guard`];
  const owner = Buffer.from(clock.random(ownerBytes)).toString("base64url");
  /** Ids of what is acknowledged, oldest first. */
  let ids: string[] = [];
  let calls = 0;
  let connection: RawConnection | undefined;
  let line: Promise<unknown> = Promise.resolve();
  let isOpening = mustAnswer;
  let isTaken = false;
  let isClosed = false;

  function inTurn<Value>(work: () => Promise<Value>): Promise<Value> {
    const turn = line.then(work, work);
    line = turn.catch(() => {});
    return turn;
  }

  /** One command, within its time; after a failure the connection is not believed any more. */
  async function ask(words: readonly string[]): Promise<unknown> {
    if (isClosed) throw new Error("the spool is closed");
    try {
      const ms = isOpening ? Math.max(openMs, callMs) : callMs;
      const late = () => new Error(`no answer within ${ms} ms`);
      return await within({ clock, ms, late }, async () => (await connected()).sendCommand(words));
    } catch (error) {
      drop();
      throw error;
    }
  }

  async function connected(): Promise<RawConnection> {
    if (connection !== undefined) return connection;
    const made = await dial(url, 2);
    if (connection === undefined && !isClosed) connection = made;
    else made.destroy();
    return connection ?? made;
  }

  function drop(): void {
    const old = connection;
    connection = undefined;
    try {
      old?.destroy();
    } catch {
      // It is closed as it is.
    }
  }

  async function run(script: string, ...words: readonly string[]): Promise<readonly string[]> {
    calls += 1;
    const answer = (await ask(["EVAL", script, ...keys, owner, String(calls), ...words])) as string[];
    if (answer[0] === "foreign") throw new Error(`another process has taken the spool ${stream} over`);
    return answer;
  }

  async function take(): Promise<void> {
    // A spool that is taken late was empty: what stands there is of a call whose answer was lost.
    if (!isTaken && calls > 0) await ask(["DEL", stream]);
    await ask(["EVAL", takeScript, ...keys, owner]);
    calls = 0;
    isTaken = true;
  }

  /** The server has forgotten what it acknowledged: it begins anew. */
  async function lose(): Promise<never> {
    ids = [];
    await ask(["DEL", stream]);
    await take();
    throw new SpoolLost(`${stream} does not hold any more what it had acknowledged`);
  }

  async function load(): Promise<readonly string[]> {
    await take();
    const found: string[] = [];
    for (let after = "-"; ; ) {
      const page = (await ask(["XRANGE", stream, after, "+", "COUNT", String(pageEntries)])) as readonly Entry[];
      for (const [id, fields] of page) {
        ids.push(id);
        found.push(fields[1] ?? "");
        after = `(${id}`;
      }
      if (page.length < pageEntries) return found;
    }
  }

  const found = await load().catch((cause: unknown) => {
    isTaken = false;
    ids = [];
    if (mustAnswer)
      throw new LogUnavailable({
        message: `the spool ${shown(url)} does not answer, and events may wait in it`,
        retryAfterMs,
        cause,
      });
    journal.write("warn", "spool.silent", { spool: shown(url), cause });
    return [];
  });
  isOpening = false;
  let left: readonly string[] | undefined = found;

  return {
    append: (texts) =>
      inTurn(async () => {
        if (!isTaken) await take();
        const [word, ...made] = await run(appendScript, ids.at(-1) ?? "", String(ids.length), ...texts);
        if (word === "lost") return lose();
        if (word !== "appended" || made.length !== texts.length) throw new Error(`the spool answered ${word}`);
        ids.push(...made);
      }),
    async *entries() {
      const all = left ?? [];
      left = undefined;
      yield* all;
    },
    remove: (count) =>
      inTurn(async () => {
        if (count === 0) return;
        const [word] = await run(removeScript, ...ids.slice(0, count));
        if (word === "lost") return lose();
        if (word !== "removed") throw new Error(`the spool answered ${word}`);
        ids.splice(0, count);
      }),
    close: () =>
      inTurn(async () => {
        isClosed = true;
        drop();
      }),
  };
}

/** Without what the address may hold: a name and a password. */
const shown = (url: string): string => `${url.split(":", 1)[0] ?? ""}:…`;
