/**
 * `bench -- stores`, second half: one node in a process of its own on each store, publishers inside it as an application
 * embeds them, each user with two connections. Publishers await the answer of each batch; an event has arrived when the
 * last of its user's readers has it. Rates are those of full speed, latencies those at half of it.
 */
import { percentile } from "../wire/fan-out.ts";
import { openLoad } from "../wire/load.ts";
import { startServer } from "../wire/server-process.ts";
import { nowMs, userNames } from "../wire/workload.ts";
import { table } from "./markdown.ts";
import type { StoreUnderTest } from "./store-under-test.ts";

const batches = [1, 10, 100] as const;
const publisherCounts = [1, 64] as const;
const connectionsPerUser = 2;
const warmupBatches = 20;
/** Finds how many batches fill the time of a round. */
const trialBatches = 40;

interface Figures {
  readonly eventsPerSecond: number;
  /** Batches that the store did not take in time, at full speed and at half of it: with any, the rest says little. */
  readonly failed: number;
  readonly ackP50Ms: number;
  readonly ackP99Ms: number;
  readonly lastP50Ms: number;
  readonly lastP99Ms: number;
}

async function measure(store: StoreUnderTest, seconds: number): Promise<Map<string, Figures>> {
  const found = new Map<string, Figures>();
  const server = await startServer("runcast", ["--store", await store.fresh(), "--commit", store.commit]);
  const names = userNames(Math.max(...publisherCounts));
  const load = await openLoad("runcast", [server], names, connectionsPerUser);
  const say = async (users: readonly string[], batch: number, count: number, everyMs = 0) => {
    load.reset();
    const said = server.control.hear("said");
    const all = load.untilStill(users.length * count * batch * connectionsPerUser);
    const startMs = nowMs();
    server.control.order({ do: "say", saying: { users, batch, batches: count, everyMs } });
    const [{ ackMs }] = await Promise.all([said, all]);
    return {
      seconds: (load.lastMs - startMs) / 1_000,
      failed: users.length * count - ackMs.length,
      ackMs: [...ackMs],
    };
  };
  try {
    // Each user's run begins here, with an event that nobody counts.
    load.reset();
    const begun = load.untilStill(names.length * 2 * connectionsPerUser);
    server.control.order({ do: "say", saying: { users: names, batch: 1, batches: 1, everyMs: 0 } });
    await begun;
    for (const publishers of publisherCounts)
      for (const batch of batches) {
        const users = names.slice(0, publishers);
        await say(users, batch, warmupBatches);
        const trial = await say(users, batch, trialBatches);
        const count = Math.max(trialBatches, Math.round((trialBatches * seconds) / trial.seconds));
        const { seconds: took, failed } = await say(users, batch, count);
        // Publishers wait for the store, not for readers: at full speed the latency would be how far readers lag behind.
        const half = await say(users, batch, Math.ceil(count / 2), (2 * took * 1_000) / count);
        found.set(`${publishers} × ${batch}`, {
          eventsPerSecond: ((publishers * count - failed) * batch) / took,
          failed: failed + half.failed,
          ackP50Ms: percentile(half.ackMs, 0.5),
          ackP99Ms: percentile(half.ackMs, 0.99),
          lastP50Ms: percentile(load.lastLatenciesMs, 0.5),
          lastP99Ms: percentile(load.lastLatenciesMs, 0.99),
        });
      }
  } finally {
    load.close();
    await server.stop();
  }
  return found;
}

export async function endToEnd(
  stores: readonly StoreUnderTest[],
  rounds: number,
  seconds: number,
  say: (line: string) => void,
): Promise<string> {
  const measured = stores.map((): Map<string, Figures>[] => []);
  for (let round = 0; round < rounds; round += 1)
    for (const [index, store] of stores.entries()) {
      measured[index]?.push(await measure(store, seconds));
      say(`  round ${round + 1}: ${store.label}`);
    }
  const rows: string[][] = [];
  for (const publishers of publisherCounts)
    for (const batch of batches)
      for (const [index, store] of stores.entries()) {
        const all = (measured[index] ?? []).flatMap((round) => round.get(`${publishers} × ${batch}`) ?? []);
        const middle = (of: keyof Figures): number =>
          percentile(
            all.map((figures) => figures[of]),
            0.5,
          );
        rows.push([
          store.label,
          String(publishers),
          String(batch),
          middle("eventsPerSecond").toFixed(0),
          String(all.reduce((sum, { failed }) => sum + failed, 0)),
          ...(["ackP50Ms", "ackP99Ms", "lastP50Ms", "lastP99Ms"] as const).map((of) => middle(of).toFixed(2)),
        ]);
      }
  const names = ["store", "publishers", "events/publish", "events/s", "failed", "publish → answer p50 ms", "p99 ms"];
  return table([...names, "publish → last reader p50 ms", "p99 ms"], rows);
}
