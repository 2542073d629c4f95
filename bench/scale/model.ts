/**
 * The cost model: how often each thing happens for so many users, times what one of it costs. Nothing is fitted; what is
 * not measured (`Measured`) is said by the reader (`Population`).
 */
import type { Activity, StoreCosts } from "./costs.ts";
import { activities } from "./costs.ts";

/** Who uses it and how, at the busiest hour. Every number may be replaced: `npm run scale -- --<name> <number>`. */
export interface Population {
  readonly users: number;
  /** Of all users, how many are connected. */
  readonly onlineShare: number;
  readonly connectionsPerUser: number;
  readonly runsPerUserPerDay: number;
  /** The busiest hour to the mean of the day. */
  readonly peakFactor: number;
  readonly eventsPerRun: number;
  readonly secondsPerRun: number;
  /** Of all runs, how many have a reader while they live. */
  readonly watchedShare: number;
  readonly reconnectsPerConnectionHour: number;
  /** Events that a connection missed and is sent when it comes back. */
  readonly missedEvents: number;
  readonly heartbeatSeconds: number;
  readonly retentionDays: number;
  /** Cores of a node, and what of each is planned for: the rest is for storms and for a node that is gone. */
  readonly coresPerNode: number;
  readonly gibPerNode: number;
  readonly plannedShare: number;
  /** Cores that one store server can use: of Redis it is one. */
  readonly coresPerStore: number;
}

export const population: Population = {
  users: 10_000,
  onlineShare: 0.1,
  connectionsPerUser: 1.3,
  runsPerUserPerDay: 10,
  peakFactor: 3,
  eventsPerRun: 60,
  secondsPerRun: 45,
  watchedShare: 0.9,
  reconnectsPerConnectionHour: 4,
  missedEvents: 10,
  heartbeatSeconds: 15,
  retentionDays: 7,
  coresPerNode: 2,
  gibPerNode: 4,
  plannedShare: 0.5,
  coresPerStore: 8,
};

const secondsPerDay = 86_400;
const secondsPerHour = 3_600;
const microsPerSecond = 1e6;
const kibPerGib = 1_048_576;
const mibPerGib = 1_024;
const bytesPerGib = 1_073_741_824;
/** Two: one may go. */
const fewestNodes = 2;
const maxSteps = 100;
/** Each node looks at what all others do: with more, adding one brings less than it costs. */
const mostNodes = 64;
const maxCells = 2 ** 20;

export interface Prediction {
  /** Deployments that share nothing, each for its part of the users. All figures are of all of them. */
  readonly cells: number;
  readonly nodes: number;
  readonly stores: number;
  readonly perSecond: Readonly<Record<Activity, number>>;
  readonly connections: number;
  readonly livingRuns: number;
  /** Cores that are busy, of all nodes and of all store servers. */
  readonly nodeCores: number;
  readonly storeCores: number;
  readonly memoryGib: number;
  readonly storeOperationsPerSecond: number;
  readonly storeBytesPerSecond: number;
  readonly clientBytesPerSecond: number;
  readonly storedGib: number;
}

/** How often each thing happens in a second, on so many nodes. */
export function ratesOf(people: Population, nodes: number): Record<Activity, number> {
  const runs = (people.users * people.runsPerUserPerDay * people.peakFactor) / secondsPerDay;
  const events = runs * people.eventsPerRun;
  const connections = people.users * people.onlineShare * people.connectionsPerUser;
  const living = runs * people.secondsPerRun;
  const reconnects = (connections * people.reconnectsPerConnectionHour) / secondsPerHour;
  // Each connection is on any node, and so is the publisher.
  const elsewhere = (nodes - 1) / nodes;
  return {
    connect: reconnects,
    heartbeat: connections / people.heartbeatSeconds,
    follow: connections,
    run: runs,
    append: events,
    deliver: events * people.watchedShare * people.connectionsPerUser,
    carry: events * people.watchedShare * people.connectionsPerUser * elsewhere,
    replay: reconnects * people.missedEvents,
    lease: living,
    sweep: living * (nodes - 1),
    node: nodes,
  };
}

type Measure = "nodeMicros" | "storeMicros" | "storeOperations" | "storeBytes" | "clientBytes";

/** What happens, times what it costs. */
export function costOf(rates: Readonly<Record<Activity, number>>, { uses }: StoreCosts, of: Measure): number {
  return activities.reduce((sum, activity) => sum + rates[activity] * uses[activity][of], 0);
}

export function predictOn(people: Population, costs: StoreCosts, nodes: number): Prediction {
  const perSecond = ratesOf(people, nodes);
  const connections = people.users * people.onlineShare * people.connectionsPerUser;
  const { nodeMib, connectionKib, runKib } = costs.memory;
  const storeCores = costOf(perSecond, costs, "storeMicros") / microsPerSecond;
  const events = people.users * people.runsPerUserPerDay * people.eventsPerRun * people.retentionDays;
  return {
    cells: 1,
    nodes,
    stores: Math.max(1, Math.ceil(storeCores / (people.coresPerStore * people.plannedShare))),
    perSecond,
    connections,
    livingRuns: perSecond.lease,
    nodeCores: costOf(perSecond, costs, "nodeMicros") / microsPerSecond,
    storeCores,
    memoryGib: (nodes * nodeMib) / mibPerGib + (connections * connectionKib + perSecond.lease * runKib) / kibPerGib,
    storeOperationsPerSecond: costOf(perSecond, costs, "storeOperations"),
    storeBytesPerSecond: costOf(perSecond, costs, "storeBytes"),
    clientBytesPerSecond: costOf(perSecond, costs, "clientBytes"),
    storedGib: (events * costs.storedBytesPerEvent) / bytesPerGib,
  };
}

/** The fewest nodes that carry it; undefined: it is too much for one deployment. */
function predictOne(people: Population, costs: StoreCosts): Prediction | undefined {
  let nodes = fewestNodes;
  for (let step = 0; step < maxSteps; step += 1) {
    const { nodeCores, memoryGib } = predictOn(people, costs, nodes);
    const forCpu = Math.ceil(nodeCores / (people.coresPerNode * people.plannedShare));
    const forMemory = Math.ceil(memoryGib / (people.gibPerNode * people.plannedShare));
    const needed = Math.max(fewestNodes, forCpu, forMemory);
    if (needed <= nodes) return predictOn(people, costs, nodes);
    if (needed > mostNodes) return undefined;
    nodes = needed;
  }
  return undefined;
}

/** One of so many cells. */
export const cellOf = (people: Population, cells: number): Population => ({ ...people, users: people.users / cells });

/** In the fewest cells, by powers of two, of which each is a deployment that works. */
export function predict(people: Population, costs: StoreCosts): Prediction {
  for (let cells = 1; cells <= maxCells; cells *= 2) {
    const one = predictOne(cellOf(people, cells), costs);
    if (one !== undefined) return timesCells(one, cells);
  }
  throw new Error("one user is too much for a deployment of these nodes: give them more cores or memory");
}

function timesCells(one: Prediction, cells: number): Prediction {
  const times = (value: number): number => value * cells;
  return {
    cells,
    nodes: times(one.nodes),
    stores: times(one.stores),
    perSecond: Object.fromEntries(
      activities.map((activity) => [activity, times(one.perSecond[activity])]),
    ) as unknown as Prediction["perSecond"],
    connections: times(one.connections),
    livingRuns: times(one.livingRuns),
    nodeCores: times(one.nodeCores),
    storeCores: times(one.storeCores),
    memoryGib: times(one.memoryGib),
    storeOperationsPerSecond: times(one.storeOperationsPerSecond),
    storeBytesPerSecond: times(one.storeBytesPerSecond),
    clientBytesPerSecond: times(one.clientBytesPerSecond),
    storedGib: times(one.storedGib),
  };
}
