/**
 * Puts a Runcast for tests together: the real runtime over a log that can fail, a clock that is moved and a network
 * in memory. What outlives a process is the world; `crash` and `restart` start the next process in it.
 */
import * as Effect from "effect/Effect";
import type { StreamEvent } from "../../protocol/event.ts";
import { asTenantId, asUserId, defaultTenant, type StreamKey, streamKey } from "../../protocol/ids.ts";
import type { PublisherPrincipal } from "../auth/principal.ts";
import type { TokenOwner } from "../auth/token-check.ts";
import { connect } from "../client/client.ts";
import type { EventLog } from "../log/event-log.ts";
import { memoryLog } from "../log/memory.ts";
import { createRuncast } from "../make-runcast.ts";
import type { Follow } from "../runcast.ts";
import { eventObject } from "../runtime/frames.ts";
import type { Journal } from "../telemetry/journal.ts";
import { type ManualClock, manualClock, turn } from "./manual-clock.ts";
import type { JournalEntry, TestRuncast, TestRuncastOptions, TestUser } from "./test-runcast.ts";
import { type AppendGate, faultyLog } from "./world/faulty-log.ts";
import { Network } from "./world/network.ts";
import { processClock } from "./world/process-clock.ts";
import { TestClient } from "./world/test-client.ts";

type Events = TestRuncast["events"];

/** What outlives a process. */
interface World {
  readonly options: TestRuncastOptions;
  readonly clock: ManualClock;
  readonly store: EventLog;
  readonly network: Network;
  readonly journal: JournalEntry[];
  readonly owners: Map<string, TokenOwner>;
  readonly gate: AppendGate | undefined;
  current: TestRuncast | undefined;
}

const operator: PublisherPrincipal = { kind: "publisher", name: "test", tenants: "*", rights: ["publish", "admin"] };
/** More turns of the event loop than any chain of promises between two of our parts needs. */
const settleTurns = 5;
const defaultMaxMs = 3_600_000;
const url = "ws://runcast.test/v1/ws";
const page = { maxEvents: 1_000, maxBytes: 16 * 1_048_576 };
const randomBits = 0x1_0000_0000;

const ownerOf = (user: TestUser): { readonly userId: string; readonly tenantId: string } =>
  typeof user === "string"
    ? { userId: user, tenantId: defaultTenant }
    : { userId: user.userId, tenantId: user.tenantId ?? defaultTenant };
const streamOf = (userId: string, tenantId: string): StreamKey => streamKey(asTenantId(tenantId), asUserId(userId));

/**
 * Starts a Runcast in memory.
 *
 * Fails: as `createRuncast` does, for an option that cannot be used.
 */
export function testRuncast(options: TestRuncastOptions = {}): Promise<TestRuncast> {
  return testWorld(options);
}

/** The same, with a gate before every append: for who schedules the log's answers. */
export function testWorld(options: TestRuncastOptions, gate?: AppendGate): Promise<TestRuncast> {
  const clock = options.clock ?? manualClock(undefined, options.seed);
  return startProcess({
    options,
    clock,
    store: options.store ?? memoryLog({ random: clock.random }),
    network: new Network(),
    journal: [],
    owners: new Map(),
    gate,
    current: undefined,
  });
}

async function startProcess(world: World): Promise<TestRuncast> {
  const { options, clock, network } = world;
  const { seed: _seed, store: _store, clock: _clock, auth, journal, ...rest } = options;
  const log = faultyLog(world.store, world.gate);
  const life = processClock(clock);
  const keeper: Journal = {
    write: (level, what, fields = {}) => {
      world.journal.push({ level, what, fields });
      journal?.write(level, what, fields);
    },
  };
  const runcast = await createRuncast({
    ...rest,
    auth: auth ?? ((token) => world.owners.get(token) ?? { userId: token }),
    store: log,
    clock: life,
    journal: keeper,
  });
  network.serve(runcast.runtime);
  let isOver = false;
  const settle = async (): Promise<void> => {
    for (let step = 0; step < settleTurns; step += 1) await turn();
  };
  const tokenOf = (user: TestUser): string => {
    const owner = ownerOf(user);
    if (owner.tenantId === defaultTenant) return owner.userId;
    const token = streamOf(owner.userId, owner.tenantId);
    world.owners.set(token, owner);
    return token;
  };
  const kill = (): void => {
    isOver = true;
    log.kill();
    life.kill();
    network.serve(undefined);
  };
  const next = (): Promise<TestRuncast> => {
    isOver = true;
    network.serve(undefined);
    return startProcess(world);
  };
  const made: TestRuncast = {
    ...runcast,
    clock,
    log,
    network,
    journal: world.journal,
    advance: clock.advance,
    settle,
    until: (promise, maxMs = defaultMaxMs) => until({ clock, settle }, promise, maxMs),
    events: ((asked: string | Follow, tenantId: string = defaultTenant) =>
      typeof asked === "string" ? readAll(world.store, streamOf(asked, tenantId)) : runcast.events(asked)) as Events,
    ledger: (user) => {
      if (user === undefined) return Effect.runPromise(runcast.runtime.ledger(operator, {}));
      const { userId, tenantId } = ownerOf(user);
      const whose = { userId: asUserId(userId), tenantId: asTenantId(tenantId) };
      return Effect.runPromise(runcast.runtime.ledger(operator, whose));
    },
    dial: (user) => new TestClient(network, ownerOf(user).userId, tokenOf(user)),
    connect: async (user, hello) => {
      const client = new TestClient(network, ownerOf(user).userId, tokenOf(user));
      await client.hello(hello);
      await settle();
      return client;
    },
    client: (user, more) => connect({ ...made.clientOptions(user), ...more }),
    clientOptions: (user) => ({
      url,
      token: () => tokenOf(user),
      WebSocket: network.webSocketOf(ownerOf(user).userId),
      timers: clock,
      random: () => new DataView(clock.random(4).buffer).getUint32(0) / randomBits,
    }),
    crash: () => {
      kill();
      return next();
    },
    kill,
    restart: async () => {
      await runcast.close();
      await settle();
      return next();
    },
    close: async () => {
      // Who holds an earlier process means the world.
      if (world.current !== made) return world.current?.close();
      if (isOver) return;
      isOver = true;
      log.release();
      await runcast.close();
      await settle();
      network.serve(undefined);
      if (options.store === undefined) await world.store.close();
    },
    [Symbol.asyncDispose]: () => made.close(),
  };
  world.current = made;
  return made;
}

async function until<Value>(
  { clock, settle }: Pick<TestRuncast, "clock" | "settle">,
  promise: PromiseLike<Value>,
  maxMs: number,
): Promise<Value> {
  const endMono = clock.mono() + maxMs;
  let isSettled = false;
  const note = (): void => {
    isSettled = true;
  };
  promise.then(note, note);
  await settle();
  while (!isSettled) {
    const waitMs = clock.nextInMs;
    if (waitMs === undefined || clock.mono() + waitMs > endMono)
      throw new Error(`it has not settled within ${maxMs} ms of the clock`);
    await clock.advance(waitMs);
  }
  return promise;
}

async function readAll(log: EventLog, stream: StreamKey): Promise<readonly StreamEvent[]> {
  const all: StreamEvent[] = [];
  for (let after = 0; ; ) {
    const { events, head, corrupt } = await log.read(stream, after, page);
    all.push(...events.map(eventObject));
    const upto = Math.max(events.at(-1)?.offset ?? 0, corrupt?.at(-1) ?? 0);
    if (upto >= head || upto <= after) return all;
    after = upto;
  }
}
