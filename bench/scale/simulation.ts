/**
 * Plays an hour of a population second by second, by the same constants and a seed: runs arrive and end, connections come,
 * go and come back, and at one moment a node dies and its connections come back with jitter. Says what the mean hides: the
 * busiest second. Numbers of people are drawn, not the people: an hour of 10^8 users costs what one of 10^3 does.
 */
import type { Activity, StoreCosts } from "./costs.ts";
import type { Population } from "./model.ts";
import { costOf, ratesOf } from "./model.ts";

export interface Storm {
  /** At which second a node dies. */
  readonly atSecond: number;
  /** Over how long its connections come back: the ceiling of the clients' back-off by then. */
  readonly overSeconds: number;
}

export interface Played {
  readonly seconds: number;
  /** Means over the time. */
  readonly nodeCores: number;
  readonly storeCores: number;
  readonly connections: number;
  readonly livingRuns: number;
  readonly deliveriesPerSecond: number;
  /** Of the busiest second. */
  readonly peakNodeCores: number;
  readonly peakStoreCores: number;
  readonly peakConnectsPerSecond: number;
}

const microsPerSecond = 1e6;
/** From here on a normal distribution says the same as Poisson's, and costs nothing. */
const manyExpected = 50;
/** Knuth's generator of the same name: 32 bits, the same on every machine. */
const multiplier = 1_664_525;
const increment = 1_013_904_223;
const modulus = 2 ** 32;

/** Draws from [0, 1). */
function drawing(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, multiplier) + increment) >>> 0;
    return state / modulus;
  };
}

function poisson(expected: number, draw: () => number): number {
  if (expected <= 0) return 0;
  if (expected > manyExpected) {
    const normal = Math.sqrt(-2 * Math.log(1 - draw())) * Math.cos(2 * Math.PI * draw());
    return Math.max(0, Math.round(expected + Math.sqrt(expected) * normal));
  }
  let [count, product] = [0, draw()];
  for (const limit = Math.exp(-expected); product > limit; product *= draw()) count += 1;
  return count;
}

export interface PlayTerms {
  readonly nodes: number;
  readonly seconds: number;
  readonly seed: number;
  readonly storm?: Storm | undefined;
}

export function play(people: Population, costs: StoreCosts, { nodes, seconds, seed, storm }: PlayTerms): Played {
  const draw = drawing(seed);
  const steady = ratesOf(people, nodes);
  const target = people.users * people.onlineShare * people.connectionsPerUser;
  let connections = Math.round(target);
  /** Runs that began in each of the last seconds and still live. */
  const begun: number[] = Array.from({ length: people.secondsPerRun }, () => poisson(steady.run, draw));
  let returning = 0;
  const sum = { nodeCores: 0, storeCores: 0, connections: 0, livingRuns: 0, deliveries: 0 };
  const peak = { nodeCores: 0, storeCores: 0, connects: 0 };
  for (let second = 0; second < seconds; second += 1) {
    begun.push(poisson(steady.run, draw));
    begun.splice(0, begun.length - people.secondsPerRun);
    const living = begun.reduce((all, runs) => all + runs, 0);
    const events = poisson((living * people.eventsPerRun) / people.secondsPerRun, draw);
    if (storm !== undefined && second === storm.atSecond) {
      returning = Math.round(connections / nodes);
      connections -= returning;
    }
    const since = storm === undefined ? 0 : second - storm.atSecond;
    const left = storm === undefined ? 0 : Math.max(1, storm.overSeconds - since);
    const back =
      returning > 0
        ? Math.min(returning, since + 1 >= (storm?.overSeconds ?? 0) ? returning : poisson(returning / left, draw))
        : 0;
    returning -= back;
    // A connection that ends comes back at once: phones change networks, tabs are reloaded.
    const reconnects = poisson((connections * people.reconnectsPerConnectionHour) / 3_600, draw);
    connections += back;
    const onlineShare = connections / Math.max(1, target);
    const rates: Record<Activity, number> = {
      ...steady,
      connect: reconnects + back,
      heartbeat: poisson(connections / people.heartbeatSeconds, draw),
      follow: connections,
      run: begun.at(-1) ?? 0,
      append: events,
      deliver: events * people.watchedShare * people.connectionsPerUser * onlineShare,
      carry: events * people.watchedShare * people.connectionsPerUser * onlineShare * ((nodes - 1) / nodes),
      replay: (reconnects + back) * people.missedEvents,
      lease: living,
      sweep: living * (nodes - 1),
    };
    const nodeCores = costOf(rates, costs, "nodeMicros") / microsPerSecond;
    const storeCores = costOf(rates, costs, "storeMicros") / microsPerSecond;
    sum.nodeCores += nodeCores;
    sum.storeCores += storeCores;
    sum.connections += connections;
    sum.livingRuns += living;
    sum.deliveries += rates.deliver;
    peak.nodeCores = Math.max(peak.nodeCores, nodeCores);
    peak.storeCores = Math.max(peak.storeCores, storeCores);
    peak.connects = Math.max(peak.connects, rates.connect);
  }
  return {
    seconds,
    nodeCores: sum.nodeCores / seconds,
    storeCores: sum.storeCores / seconds,
    connections: sum.connections / seconds,
    livingRuns: sum.livingRuns / seconds,
    deliveriesPerSecond: sum.deliveries / seconds,
    peakNodeCores: peak.nodeCores,
    peakStoreCores: peak.storeCores,
    peakConnectsPerSecond: peak.connects,
  };
}
