/**
 * The event log in Redis Streams, for several processes: on one server, or in a cluster, where all of one user's stream is
 * in one slot. Each append is one script on that slot, so it is there whole or not at all; what "durable" means is what
 * the server is set to (`identity`, docs/operations.md). Before it stands the runtime; behind it, `servers`.
 */
import type { StreamKey } from "../../../protocol/ids.ts";
import { systemClock } from "../../platform/clock.ts";
import { bells } from "../bells.ts";
import { logClosed } from "../closed.ts";
import { newEpoch } from "../epoch.ts";
import type { EventLog, KnownKey, SavedCursor } from "../event-log.ts";
import { runKey } from "../../../protocol/ids.ts";
import { Appends, knownKey } from "./appends.ts";
import { Compaction } from "./compaction.ts";
import { documentsOf, putDocument } from "./documents.ts";
import { Follows } from "./follows.ts";
import { IndexCalls } from "./index-calls.ts";
import { addScript } from "./index-scripts.ts";
import { ledgerOf } from "./ledger.ts";
import { Letters } from "./letters.ts";
import { Losses } from "./losses.ts";
import { Outbox } from "./outbox.ts";
import { positionOf, readRunEvents, readSlice } from "./reads.ts";
import { Replication } from "./replication.ts";
import { Retirement } from "./retirement.ts";
import { Runs } from "./runs.ts";
import { Servers } from "./servers.ts";
import { StreamCalls } from "./stream-calls.ts";
import { cursorScript, cursorsScript, keysScript } from "./stream-scripts.ts";
import { type RedisLogOptions, redisTerms } from "./terms.ts";
import { Turns } from "./turns.ts";

const defaultMaxWaitingBytes = 64 * 2 ** 20;

/**
 * Opens the store on a Redis server (≥ 7), or makes it.
 *
 * Fails: `InvalidConfig` (a bad address, no package `redis`, no append-only file, a newer schema); `LogUnavailable` (the
 * server does not answer, is a replica, is still reading its data).
 */
export async function openRedisLog(options: RedisLogOptions): Promise<EventLog> {
  const { clock = systemClock, maxWaitingBytes = defaultMaxWaitingBytes } = options;
  const terms = redisTerms(options);
  const servers = await Servers.open({ ...terms, clock, maxWaitingBytes });
  const listeners = bells(options.onBug);
  const streams = new StreamCalls(servers);
  const index = new IndexCalls(servers);
  const turns = new Turns(
    (stream) => streams.isReady(stream),
    (stream) => streams.getReady(stream),
  );
  const writer = newEpoch(clock.random);
  const now = (): number => clock.now();
  const runs = new Runs(index, streams, turns, now);
  const outbox = new Outbox(index, streams, turns, now);
  const letters = new Letters(index, streams);
  const losses = new Losses(streams, letters, now);
  const retirement = new Retirement(index, streams, letters, outbox, losses);
  const compaction = new Compaction(index, streams, runs);
  const replication = new Replication(servers, terms);
  const appends = new Appends({
    ...{ index, streams, runs, turns, listeners, writer, random: clock.random },
    replicated: (stream) => replication.reached(servers.keys.meta(stream)),
  });
  const position = (stream: StreamKey) => positionOf(streams, stream);
  const follows = new Follows({ servers, listeners, position, clock, writer, pollMs: terms.pollMs });
  let closing: Promise<void> | undefined;
  let running = 0;
  let onIdle: (() => void) | undefined;

  /** Counts what was accepted: the end waits for it. */
  async function open<Answer>(work: () => Promise<Answer>): Promise<Answer> {
    if (closing !== undefined) throw logClosed();
    running += 1;
    try {
      return await work();
    } finally {
      running -= 1;
      if (running === 0) onIdle?.();
    }
  }

  async function saveCursors(cursors: readonly SavedCursor[]): Promise<void> {
    const byStream = new Map<StreamKey, string[]>();
    for (const { stream, device, offset } of cursors) {
      const args = byStream.get(stream) ?? [];
      byStream.set(stream, args);
      args.push(device, String(offset));
    }
    await Promise.all(
      [...byStream].map(async ([stream, args]) => {
        const { words } = await turns.step(stream, () => streams.write(stream, cursorsScript, ...args));
        await outbox.done(words.slice(1));
      }),
    );
  }

  async function knownKeys(
    owner: Parameters<EventLog["knownKeys"]>[0],
    names: readonly string[],
  ): Promise<ReadonlyMap<string, KnownKey>> {
    const known = new Map<string, KnownKey>();
    if (names.length === 0) return known;
    const run = "runId" in owner ? runKey(owner.tenantId, owner.runId) : "";
    const ask = async (stream: StreamKey): Promise<readonly string[] | undefined> => {
      const { words } = await streams.read(stream, keysScript, run, ...names);
      return words[0] === "keys" ? words : undefined;
    };
    const asked = "runId" in owner ? runs.inItsStream(owner.tenantId, owner.runId, ask) : ask(owner.stream);
    const words = (await asked) ?? [];
    for (const [at, name] of names.entries()) {
      const text = words[at + 1] ?? "";
      if (text !== "") known.set(name, knownKey(text));
    }
    return known;
  }

  return {
    isShared: true,
    append: (append) => open(() => appends.append(append)),
    position: (stream) => open(() => position(stream)),
    read: (stream, after, limit) =>
      open(async () => {
        const slice = await readSlice(streams, stream, after, limit);
        if (slice.corrupt !== undefined) await losses.bury(stream, slice);
        return slice;
      }),
    living: (stream) => open(() => runs.living(stream)),
    run: (tenantId, runId) => open(async () => (await runs.run(tenantId, runId))?.record),
    runs: (query) => open(() => runs.list(query)),
    readRun: (tenantId, runId, afterSeq, limit) =>
      open(async () => {
        const ask = (stream: StreamKey) => readRunEvents(streams, { stream, tenantId, runId }, afterSeq, limit);
        return (await runs.inItsStream(tenantId, runId, ask)) ?? [];
      }),
    knownKeys: (owner, names) => open(() => knownKeys(owner, names)),
    approval: (tenantId, approvalId, stream) => open(() => runs.approval(tenantId, approvalId, stream)),
    claim: (tenantId, runId) => open(() => runs.claim(tenantId, runId)),
    saveCursors: (cursors) => open(() => saveCursors(cursors)),
    cursor: (stream, device) => open(async () => Number((await streams.read(stream, cursorScript, device)).words[1])),
    ledger: (stream) => open(() => ledgerOf(index, streams, stream)),
    quarantine: (entry) => open(() => letters.quarantine(entry)),
    deadLetters: (query) => open(() => letters.page(query)),
    putDocument: (put) => open(() => putDocument(index, put)),
    documents: (query) => open(() => documentsOf(index, query)),
    outbox: (query) => open(() => outbox.page(query)),
    moveOutbox: (move) => open(() => outbox.move(move)),
    retire: (ask) => open(() => retirement.retire(ask)),
    compact: (ask) => open(() => compaction.compact(ask)),
    probe: () => open(async () => void (await index.write(servers.keys.store, addScript, "probe", "0", "probe"))),
    watch: (listener) => listeners.watch(listener),
    follow: (stream) => open(() => follows.follow(stream)),
    close: () => {
      closing ??= new Promise<void>((resolve) => {
        follows.close();
        if (running === 0) resolve();
        else onIdle = resolve;
      }).then(() => {
        servers.close();
        listeners.clear();
      });
      return closing;
    },
  };
}
