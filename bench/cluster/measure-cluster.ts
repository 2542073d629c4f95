/**
 * W1 over several nodes on one store: each user's runs are published on one node, and its connections are on the nodes one
 * after the other, beginning with that one. With two connections a user and more than one node, half of all deliveries
 * cross from node to node through the store.
 */
import type { StoreUnderTest } from "../stores/store-under-test.ts";
import type { ProcessFigures } from "../wire/control.ts";
import { percentile } from "../wire/fan-out.ts";
import type { Kind } from "../wire/load.ts";
import { openLoad } from "../wire/load.ts";
import type { ServerProcess } from "../wire/server-process.ts";
import { startServer } from "../wire/server-process.ts";
import { eventsPerRun, nowMs, userNames } from "../wire/workload.ts";

export interface ClusterWork {
  readonly kind: Kind;
  readonly nodes: number;
  readonly users: number;
  readonly connectionsPerUser: number;
  /** Between two measurements of the CPU: about so long. */
  readonly seconds: number;
}

export interface ClusterFigures {
  readonly deliveriesPerSecond: number;
  /** Deliveries that never came. */
  readonly lost: number;
  /** Units: seconds per 100,000 deliveries; of all nodes, and of the store's server. */
  readonly nodesCpu: number;
  readonly storeCpu: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly lastP99Ms: number;
  readonly storeOperationsPerEvent: number;
  /** Between the nodes and the store, both ways. */
  readonly storeBytesPerEvent: number;
}

const perDeliveries = 100_000;
const warmupRuns = 6;
const trialRuns = 6;
/** Socket.IO keeps 10,000 entries for all users: a node that is further behind misses some. This stays within. */
const window = 2;
const pacedSeconds = 2;

export async function startNodes(
  kind: Kind,
  store: StoreUnderTest,
  nodes: number,
  args: readonly string[] = [],
): Promise<ServerProcess[]> {
  const url = await store.fresh();
  const common = ["--store", url, ...args];
  const given = kind === "runcast" ? [...common, "--commit", store.commit, "--watch", String(store.port)] : common;
  const started: ServerProcess[] = [];
  // One after the other: the first makes what the others find.
  for (let node = 0; node < nodes; node += 1) started.push(await startServer(kind, given));
  return started;
}

export async function figuresOf({ control }: ServerProcess): Promise<ProcessFigures> {
  const figures = control.hear("figures");
  control.order({ do: "figures" });
  return await figures;
}

export interface ClusterUse {
  readonly nodesCpuSeconds: number;
  readonly storeCpuSeconds: number;
  readonly storeOperations: number;
  readonly storeInBytes: number;
  readonly storeOutBytes: number;
  readonly clientInBytes: number;
  readonly clientOutBytes: number;
}

/** What nodes and store have used since they began; take two and subtract. */
export async function useOf(store: StoreUnderTest, nodes: readonly ServerProcess[]): Promise<ClusterUse> {
  const all = await Promise.all(nodes.map(figuresOf));
  const used = await store.use();
  const sum = (of: (figures: ProcessFigures) => number): number => all.reduce((total, each) => total + of(each), 0);
  return {
    nodesCpuSeconds: sum(({ cpuSeconds }) => cpuSeconds),
    storeCpuSeconds: used.cpuSeconds,
    storeOperations: used.operations,
    // Into the store is out of the nodes.
    storeInBytes: sum(({ store: { outBytes } }) => outBytes),
    storeOutBytes: sum(({ store: { inBytes } }) => inBytes),
    clientInBytes: sum(({ clients: { inBytes } }) => inBytes),
    clientOutBytes: sum(({ clients: { outBytes } }) => outBytes),
  };
}

export const difference = (after: ClusterUse, before: ClusterUse): ClusterUse => ({
  nodesCpuSeconds: after.nodesCpuSeconds - before.nodesCpuSeconds,
  storeCpuSeconds: after.storeCpuSeconds - before.storeCpuSeconds,
  storeOperations: after.storeOperations - before.storeOperations,
  storeInBytes: after.storeInBytes - before.storeInBytes,
  storeOutBytes: after.storeOutBytes - before.storeOutBytes,
  clientInBytes: after.clientInBytes - before.clientInBytes,
  clientOutBytes: after.clientOutBytes - before.clientOutBytes,
});

export async function measureCluster(store: StoreUnderTest, work: ClusterWork): Promise<ClusterFigures> {
  const { kind, users, connectionsPerUser } = work;
  const nodes = await startNodes(kind, store, work.nodes);
  const names = userNames(users);
  const load = await openLoad(kind, nodes, names, connectionsPerUser);
  const publish = async (runsPerUser: number, everyMs: number) => {
    load.reset();
    const published = nodes.map(({ control }) => control.hear("published"));
    const wanted = users * runsPerUser * eventsPerRun * connectionsPerUser;
    const before = await useOf(store, nodes);
    const startMs = nowMs();
    for (const [index, { control }] of nodes.entries()) {
      const mine = names.filter((_, user) => user % nodes.length === index);
      control.order({ do: "publish", work: { users: mine, runsPerUser, window, everyMs } });
    }
    await load.untilStill(wanted);
    const seconds = (load.lastMs - startMs) / 1_000;
    const lost = wanted - load.received;
    // Where some were lost, publishers wait for ever.
    if (lost === 0) await Promise.all(published);
    return { seconds, lost, deliveries: load.received, used: difference(await useOf(store, nodes), before) };
  };
  try {
    // Socket.IO's nodes read on from the newest entry until they have seen a first one: what comes in between they miss.
    for (const [index, { control }] of nodes.entries()) {
      load.reset();
      control.order({ do: "fill", users: [names[index] ?? ""], runsPerUser: 1 });
      await load.untilStill(eventsPerRun * connectionsPerUser);
    }
    await publish(warmupRuns, 0);
    const trial = await publish(trialRuns, 0);
    const full = await publish(Math.max(trialRuns, Math.round((trialRuns * work.seconds) / trial.seconds)), 0);
    const { deliveries, used, lost } = full;
    const events = deliveries / connectionsPerUser;
    const deliveriesPerSecond = deliveries / full.seconds;
    const everyMs = (2_000 * users * eventsPerRun * connectionsPerUser) / deliveriesPerSecond;
    if (lost === 0) await publish(Math.max(2, Math.round((pacedSeconds * 1_000) / everyMs)), everyMs);
    return {
      lost,
      deliveriesPerSecond,
      nodesCpu: (used.nodesCpuSeconds * perDeliveries) / deliveries,
      storeCpu: (used.storeCpuSeconds * perDeliveries) / deliveries,
      p50Ms: percentile(load.latenciesMs, 0.5),
      p99Ms: percentile(load.latenciesMs, 0.99),
      lastP99Ms: percentile(load.lastLatenciesMs, 0.99),
      storeOperationsPerEvent: used.storeOperations / events,
      storeBytesPerEvent: (used.storeInBytes + used.storeOutBytes) / events,
    };
  } finally {
    load.close();
    for (const node of nodes) await node.stop();
  }
}
