/**
 * Measures the constants of the cost model on two nodes over one store: in each phase one kind of thing happens many times,
 * and what nodes and store have used for it is divided by how often. What happens without it is measured first and
 * taken off.
 */
import { setTimeout as rest } from "node:timers/promises";
import type { ClusterUse } from "../cluster/measure-cluster.ts";
import { difference, figuresOf, startNodes, useOf } from "../cluster/measure-cluster.ts";
import type { StoreUnderTest } from "../stores/store-under-test.ts";
import type { ProcessFigures } from "../wire/control.ts";
import type { Load } from "../wire/load.ts";
import { openLoad } from "../wire/load.ts";
import type { ServerProcess } from "../wire/server-process.ts";
import { eventsPerRun, userNames } from "../wire/workload.ts";
import type { Activity, StoreCosts, Use } from "./costs.ts";

const connections = 1_000;
const speakers = 64;
const batches = 40;
/** Between two events of one speaker: 200 a second of all, of which few wait together, as in life. */
const everyMs = 320;
const slowRuns = { runsPerSecond: 10, seconds: 12, secondsPerRun: 2 };
const livingRuns = 500;
const heartbeatMs = 2_000;
const idleSeconds = 8;
/** Longer than the 30 s from sweep to sweep. */
const livingSeconds = 33;
const microsPerSecond = 1e6;
const kibibyte = 1_024;
const mebibyte = kibibyte * kibibyte;

const none: Use = { nodeMicros: 0, storeMicros: 0, storeOperations: 0, storeBytes: 0, clientBytes: 0 };

const perOne = (used: ClusterUse, count: number): Use => ({
  nodeMicros: (used.nodesCpuSeconds * microsPerSecond) / count,
  storeMicros: (used.storeCpuSeconds * microsPerSecond) / count,
  storeOperations: used.storeOperations / count,
  storeBytes: (used.storeInBytes + used.storeOutBytes) / count,
  clientBytes: (used.clientInBytes + used.clientOutBytes) / count,
});

/** `a` without so many of `b`; noise below zero is nothing. */
const without = (a: Use, b: Use, count: number): Use => ({
  nodeMicros: Math.max(0, a.nodeMicros - b.nodeMicros * count),
  storeMicros: Math.max(0, a.storeMicros - b.storeMicros * count),
  storeOperations: Math.max(0, a.storeOperations - b.storeOperations * count),
  storeBytes: Math.max(0, a.storeBytes - b.storeBytes * count),
  clientBytes: Math.max(0, a.clientBytes - b.clientBytes * count),
});

interface Cluster {
  readonly store: StoreUnderTest;
  readonly nodes: readonly ServerProcess[];
}

async function used(
  { store, nodes }: Cluster,
  work: () => Promise<unknown>,
): Promise<ClusterUse & { seconds: number }> {
  const before = await useOf(store, nodes);
  const startMs = performance.now();
  await work();
  const seconds = (performance.now() - startMs) / 1_000;
  return { ...difference(await useOf(store, nodes), before), seconds };
}

/** After a collection. Of one more the heap says more than the pages: those that are free are used first. */
async function memoryOf(node: ServerProcess): Promise<{ readonly rssBytes: number; readonly heapBytes: number }> {
  const memory = node.control.hear("memory");
  node.control.order({ do: "memory" });
  return await memory;
}

/** Deltas of open runs, paced; until all have arrived at `load`, where there is one. */
async function speak(node: ServerProcess, users: readonly string[], load?: Load): Promise<void> {
  load?.reset();
  const said = node.control.hear("said");
  const all = load?.untilStill(users.length * batches);
  node.control.order({ do: "say", saying: { users, batch: 1, batches, everyMs } });
  await Promise.all([said, all]);
}

async function open(node: ServerProcess, users: readonly string[]): Promise<void> {
  const said = node.control.hear("said");
  node.control.order({ do: "say", saying: { users, batch: 1, batches: 1, everyMs: 0 } });
  await said;
}

async function fill(node: ServerProcess, users: readonly string[], runsPerUser: number): Promise<void> {
  const filled = node.control.hear("filled");
  node.control.order({ do: "fill", users, runsPerUser });
  await filled;
}

/** On a store of this process alone there is one node, and nothing is carried. */
export async function measureCosts(store: StoreUnderTest, say: (line: string) => void): Promise<StoreCosts> {
  const isShared = store.port > 0;
  const nodes = await startNodes("runcast", store, isShared ? 2 : 1, ["--heartbeat", String(heartbeatMs)]);
  const [here] = nodes;
  const there = nodes[1];
  if (here === undefined) throw new Error("no node has started");
  const cluster = { store, nodes };
  const uses = {} as Record<Activity, Use>;
  const note = (activity: Activity, use: Use): void => {
    uses[activity] = use;
    say(
      `  ${store.label}: ${activity} ${JSON.stringify(use, (_, value: unknown) => (typeof value === "number" ? Number(value.toFixed(2)) : value))}`,
    );
  };
  const quiet = userNames(speakers, "quiet");
  const local = userNames(speakers, "local");
  const remote = userNames(speakers, "remote");
  const away = userNames(speakers, "away");
  try {
    // Warms the code of both sides up.
    await fill(here, userNames(speakers, "warm"), 2);
    (await openLoad("runcast", nodes, userNames(speakers, "warm"), 2, "start")).close();
    await rest(1_000);
    const storedBefore = await store.storedBytes();

    const idle = await used(cluster, () => rest(idleSeconds * 1_000));
    note("node", perOne(idle, idle.seconds * nodes.length));
    const pause = (use: ClusterUse & { seconds: number }, count: number): Use =>
      without(perOne(use, count), uses.node, (use.seconds * nodes.length) / count);

    const alone = await memoryOf(here);
    let load: Load | undefined;
    const connecting = await used(cluster, async () => {
      load = await openLoad("runcast", [here], userNames(connections, "idle"), 1);
    });
    note("connect", pause(connecting, connections));
    const connected = await memoryOf(here);
    const holding = await used(cluster, () => rest(idleSeconds * 1_000));
    load?.close();
    const held = pause(holding, connections * holding.seconds);
    // Pings are the node's and the clients', polls are the store's.
    const beats = 1_000 / heartbeatMs;
    note("heartbeat", { ...none, nodeMicros: held.nodeMicros / beats, clientBytes: held.clientBytes / beats });
    note("follow", { ...held, nodeMicros: 0, clientBytes: 0 });
    await rest(1_000);

    await open(here, quiet);
    const events = speakers * batches;
    note("append", pause(await used(cluster, () => speak(here, quiet)), events));

    await open(here, local);
    const near = await openLoad("runcast", [here], local, 1);
    note("deliver", without(pause(await used(cluster, () => speak(here, local, near)), events), uses.append, 1));
    near.close();

    if (there !== undefined) {
      await open(here, remote);
      const far = await openLoad("runcast", [there], remote, 1);
      const carried = pause(await used(cluster, () => speak(here, remote, far)), events);
      note("carry", without(without(carried, uses.append, 1), uses.deliver, 1));
      far.close();
    } else note("carry", none);

    // Runs that speak slowly: each of their events is an append of its own.
    let runs = 0;
    const arriving = await used(cluster, async () => {
      const arrived = here.control.hear("arrived");
      here.control.order({ do: "arrive", arriving: { users: away, ...slowRuns } });
      runs = (await arrived).runs;
    });
    note("run", without(pause(arriving, runs), uses.append, eventsPerRun));

    let back: Load | undefined;
    const replayed = runs * eventsPerRun;
    const replaying = await used(cluster, async () => {
      back = await openLoad("runcast", [here], away, 1, "start");
      await back.untilStill(replayed);
    });
    back?.close();
    note("replay", without(pause(replaying, replayed), uses.connect, away.length / replayed));

    const living = userNames(livingRuns, "living");
    const beforeRuns = await memoryOf(here);
    await open(here, living);
    const afterRuns = await memoryOf(here);
    const [hereBefore, thereBefore] = [await figuresOf(here), there && (await figuresOf(there))];
    const waiting = await used(cluster, () => rest(livingSeconds * 1_000));
    const [hereAfter, thereAfter] = [await figuresOf(here), there && (await figuresOf(there))];
    const runSeconds = livingRuns * waiting.seconds;
    const lived = pause(waiting, runSeconds);
    const cpu = (after = 0, before = 0): number =>
      Math.max(0, ((after - before) * microsPerSecond - uses.node.nodeMicros * waiting.seconds) / runSeconds);
    const storeBytesOf = (after?: ProcessFigures, before?: ProcessFigures): number => {
      const all = ({ store: { inBytes, outBytes } }: ProcessFigures): number => inBytes + outBytes;
      const bytes = after === undefined || before === undefined ? 0 : all(after) - all(before);
      return Math.max(0, bytes - uses.node.storeBytes * waiting.seconds) / runSeconds;
    };
    const sweepBytes = storeBytesOf(thereAfter, thereBefore);
    // Both nodes sweep, one also renews. Of what the store does each has the part that it has of the bytes.
    const part = lived.storeBytes > 0 ? Math.min(sweepBytes / lived.storeBytes, 1 / nodes.length) : 0;
    const swept: Use = {
      nodeMicros: cpu(thereAfter?.cpuSeconds, thereBefore?.cpuSeconds),
      storeMicros: lived.storeMicros * part,
      storeOperations: lived.storeOperations * part,
      storeBytes: sweepBytes,
      clientBytes: 0,
    };
    note("sweep", swept);
    const renewed = without({ ...lived, nodeMicros: cpu(hereAfter.cpuSeconds, hereBefore.cpuSeconds) }, swept, 1);
    // The node itself sweeps, too: its own CPU has that in it.
    note("lease", { ...renewed, nodeMicros: renewed.nodeMicros + swept.nodeMicros });
    return {
      label: store.label,
      uses,
      memory: {
        nodeMib: alone.rssBytes / mebibyte,
        connectionKib: (connected.heapBytes - alone.heapBytes) / kibibyte / connections,
        runKib: Math.max(0, afterRuns.heapBytes - beforeRuns.heapBytes) / kibibyte / livingRuns,
      },
      storedBytesPerEvent:
        ((await store.storedBytes()) - storedBefore) / (events * (there ? 3 : 2) + runs * eventsPerRun),
    };
  } finally {
    for (const node of nodes) await node.stop();
  }
}
