/** Rounds of faults drawn at random against a fleet under load, with the oracle at the end of each. */
import { seededRandom } from "../seeded-random.ts";
import { FleetLoad } from "./fleet-load.ts";
import { judge } from "./fleet-oracle.ts";
import type { StoreKind } from "./fleet-store.ts";
import { Fleet, forMs, oneOf } from "./fleet.ts";

export interface SearchOptions {
  readonly kind: StoreKind;
  readonly seed: number;
  readonly nodes: number;
  /** On the clock of `performance.now()`: no round begins later. */
  readonly endMono: number;
  readonly say: (line: string) => void;
}

export interface SearchFigures {
  rounds: number;
  events: number;
  runs: number;
  interrupted: number;
  moves: number;
  /** Publishes that were repeated because no answer came. */
  repeats: number;
  readonly faults: Record<string, number>;
}

const faultsPerRound = 6;
const maxPauseMs = 3_000;
const eventsBetween = 30;
const kinds = ["library", "socket", "sse"] as const;

type Fault = (fleet: Fleet, random: () => number) => Promise<unknown>;

const faults: Readonly<Record<string, Fault>> = {
  kill: async (fleet, random) => {
    const node = oneOf(fleet.nodes, random);
    await fleet.kill9(node);
    await forMs(random() * maxPauseMs);
    await fleet.startAgain(node);
  },
  pause: async (fleet, random) => {
    const node = oneOf(fleet.nodes, random);
    fleet.pause(node);
    await forMs(random() * maxPauseMs);
    fleet.resume(node);
  },
  roll: (fleet, random) => fleet.roll(oneOf(fleet.nodes, random)),
  cutOff: async (fleet, random) => {
    const links = [...oneOf(fleet.nodes, random).relay.links];
    for (const link of links) link.hold();
    await forMs(random() * maxPauseMs);
    for (const link of links) link.release();
  },
  storeKill: async (fleet, random) => {
    await fleet.store.kill9();
    await forMs((random() * maxPauseMs) / 2);
    await fleet.store.restart();
  },
  storePause: async (fleet, random) => {
    await fleet.store.pause();
    await forMs(random() * maxPauseMs);
    fleet.store.resume();
  },
  storeCut: (fleet) => fleet.store.cut(),
  bellsCut: (fleet) => fleet.store.cutBells(),
};

/** Fails with the first law that is broken. */
export async function searchFleet({ kind, seed, nodes, endMono, say }: SearchOptions): Promise<SearchFigures> {
  const random = seededRandom(seed);
  const sum: SearchFigures = { rounds: 0, events: 0, runs: 0, interrupted: 0, moves: 0, repeats: 0, faults: {} };
  await using fleet = await Fleet.start(kind, { nodes, random });
  // One round at least.
  while (sum.rounds === 0 || performance.now() < endMono) {
    const userIds = ["a", "b", "c"].map((name) => `${name}-${sum.rounds}`);
    const load = new FleetLoad(fleet, { userIds, kinds, random });
    const drawn: string[] = [];
    try {
      for (let at = 0; at < faultsPerRound; at += 1) {
        await load.more(eventsBetween);
        const name = oneOf(Object.keys(faults), random);
        drawn.push(name);
        await faults[name]?.(fleet, random);
        sum.faults[name] = (sum.faults[name] ?? 0) + 1;
      }
      await load.more(eventsBetween);
      await load.end();
      const verdict = await judge(fleet, load);
      sum.rounds += 1;
      for (const name of ["events", "runs", "interrupted", "moves"] as const) sum[name] += verdict[name];
      sum.repeats += load.publisher.repeats;
      say(`round ${sum.rounds} (${drawn.join(", ")}): ${JSON.stringify(verdict)}`);
    } catch (cause) {
      throw new Error(`round ${sum.rounds + 1} (${drawn.join(", ")})\n${fleet.said()}`, { cause });
    } finally {
      load.close();
    }
  }
  return sum;
}
