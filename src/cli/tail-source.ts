/**
 * Where the items of a `tail` come from: the client library over a WebSocket for a user, pages over HTTP for an API
 * key (which has no stream of its own). Both go on after a lost connection where they ended.
 */
import type { StreamEvent } from "../../protocol/event.ts";
import type { RunView } from "../../protocol/run-view.ts";
import type { Client } from "../client/client.ts";
import { connect } from "../client/client.ts";
import { ClientStopped } from "../client/client-error.ts";
import type { ClientStatus } from "../client/client-status.ts";
import type { ConnectOptions } from "../client/options.ts";
import { isOver } from "../client/run-store.ts";
import { systemClock } from "../platform/clock.ts";
import { Failure, UsageError } from "./command-line.ts";
import type { HttpApi } from "./http-api.ts";
import { httpApi, Unreachable } from "./http-api.ts";
import type { TailItem } from "./tail-output.ts";
import type { Credential, TailTarget } from "./tail-target.ts";

type UserCredential = Extract<Credential, { kind: "user" }>;
type KeyCredential = Extract<Credential, { kind: "key" }>;
/** Says on stderr what happens to the connection. */
type Notice = (text: string) => void;

const pollMs = 250;
const retryMs = 1_000;
/** A token that was refused so soon after it was made will not be accepted the next time. */
const freshTokenMs = 60_000;
const notAccepted = "the token is not accepted: has it expired, or was it made with another secret?";

const runState = (run: RunView): TailItem => ({ type: "run", run });

/** Asks for a token as often as the client does, but not again and again for one that is refused. */
function tokenFor({ token }: UserCredential): ConnectOptions["token"] {
  let last: { readonly text: string; readonly atMs: number } | undefined;
  return async ({ stale }) => {
    const nowMs = systemClock.mono();
    const text = await token();
    if (stale && last !== undefined && (text === last.text || nowMs - last.atMs < freshTokenMs)) return undefined;
    last = { text, atMs: nowMs };
    return text;
  };
}

function noticed(client: Client, target: TailTarget, notice: Notice): void {
  let wasLost = false;
  client.on("status", ({ state, lastError }: ClientStatus) => {
    if (state === "waiting" && !wasLost) {
      wasLost = true;
      notice(
        `no connection to ${target.serverUrl}${lastError === undefined ? "" : ` (${lastError.message})`}; trying again`,
      );
    }
    if (wasLost && (state === "live" || state === "catchingUp")) {
      wasLost = false;
      notice("connected again");
    }
  });
}

function open(target: TailTarget, credential: UserCredential, notice: Notice): Client {
  const client = connect({
    url: target.serverUrl,
    token: tokenFor(credential),
    from: target.from,
    mergeDeltas: false,
    autoStart: false,
  });
  noticed(client, target, notice);
  return client;
}

/** Why the client gave up, as a line of ours. */
function explained(cause: unknown): unknown {
  if (!(cause instanceof ClientStopped)) return cause;
  return new Failure(cause.reason === "unauthenticated" ? notAccepted : cause.message);
}

/** Everything of the user, until the process ends. `onSnapshot` hears of the living runs that it begins with. */
export async function* followUser(
  target: TailTarget,
  notice: Notice,
  onSnapshot: (item: TailItem) => void,
): AsyncGenerator<TailItem> {
  const { credential } = target;
  if (credential.kind === "key") throw new UsageError("a user's stream needs --token");
  const client = open(target, credential, notice);
  client.on("snapshot", (runs) => {
    for (const run of runs) onSnapshot(runState(run));
  });
  const items = client.events({ gaps: true });
  client.start();
  try {
    yield* items;
  } catch (cause) {
    throw explained(cause);
  } finally {
    client.close();
  }
}

/** One run up to its end, which is the last item. */
export function followRun(target: TailTarget & { readonly runId: string }, notice: Notice): AsyncGenerator<TailItem> {
  const { credential } = target;
  return credential.kind === "key" ? polled(target, credential, notice) : streamed(target, credential, notice);
}

async function* streamed(
  target: TailTarget & { readonly runId: string },
  credential: UserCredential,
  notice: Notice,
): AsyncGenerator<TailItem> {
  const { runId, from, serverUrl } = target;
  const run = async (): Promise<RunView> => httpApi(serverUrl, await credential.token(), undefined).run(runId);
  // Before anything else: a run that does not exist would be waited for in silence.
  await run();
  const client = open(target, credential, notice);
  const items = client.events({ gaps: true });
  const live = isLive(client);
  client.start();
  try {
    let shownSeq = 0;
    if (from !== "start") {
      // Only once we are live: whatever ends after this answer comes as an event.
      await live;
      const view = await run();
      shownSeq = view.seq;
      if (from === "active" || isOver(view)) yield runState(view);
      if (isOver(view)) return;
    }
    for await (const item of items) {
      if (item.type === "gap") {
        yield item;
        const view = await run();
        if (isOver(view)) yield runState(view);
      } else if (item.runId === runId && item.seq > shownSeq) yield item;
    }
  } catch (cause) {
    throw explained(cause);
  } finally {
    client.close();
  }
}

/** Resolves at the first welcome; a client that stops before it ends the wait by its events. */
function isLive(client: Client): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  client.on("status", ({ state }) => {
    if (state === "live" || state === "catchingUp" || state === "stopped") resolve();
  });
  return promise;
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function* polled(
  target: TailTarget & { readonly runId: string },
  { key, tenantId }: KeyCredential,
  notice: Notice,
): AsyncGenerator<TailItem> {
  const { runId, from, serverUrl } = target;
  const api = httpApi(serverUrl, key, tenantId);
  const view = await api.run(runId);
  if (from !== "start") {
    if (from === "active" || isOver(view)) yield runState(view);
    if (isOver(view)) return;
  }
  for await (const event of pages(api, runId, from === "start" ? 0 : view.seq, serverUrl, notice)) yield event;
}

/** The run's events after a seq, page by page, forever. */
async function* pages(
  api: HttpApi,
  runId: string,
  afterSeq: number,
  serverUrl: string,
  notice: Notice,
): AsyncGenerator<StreamEvent> {
  let after = afterSeq;
  let wasLost = false;
  for (;;) {
    try {
      const { events, next } = await api.runEvents(runId, after);
      if (wasLost) notice("connected again");
      wasLost = false;
      yield* events;
      after = events.at(-1)?.seq ?? after;
      if (next === null) await pause(pollMs);
    } catch (cause) {
      if (!(cause instanceof Unreachable)) throw cause;
      if (!wasLost) notice(`no connection to ${serverUrl}; trying again`);
      wasLost = true;
      await pause(retryMs);
    }
  }
}
