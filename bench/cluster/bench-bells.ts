/**
 * `npm run bench -- bells`: what it costs that an event rings, on two nodes over one store: with no reader anywhere, with
 * the other node reading a thousand other users, with a reader on the publisher's node, and with one on the other node.
 */
import type { BenchOptions } from "../stores/bench-stores.ts";
import { withStores } from "../stores/bench-stores.ts";
import { provenance, table, writeMeasured } from "../stores/markdown.ts";
import type { StoreUnderTest } from "../stores/store-under-test.ts";
import type { ProcessFigures } from "../wire/control.ts";
import { percentile } from "../wire/fan-out.ts";
import type { Load } from "../wire/load.ts";
import { openLoad } from "../wire/load.ts";
import type { ServerProcess } from "../wire/server-process.ts";
import { userNames } from "../wire/workload.ts";
import { figuresOf, startNodes } from "./measure-cluster.ts";

const speakers = 64;
const othersFollowed = 1_000;
const trialBatches = 20;
const microsPerSecond = 1e6;

interface Figures {
  /** Per event, of the publisher's node, of the other one, of the store's server. */
  readonly hereMicros: number;
  readonly thereMicros: number;
  readonly storeMicros: number;
  readonly operations: number;
  readonly hereBytes: number;
  readonly thereBytes: number;
}

interface Case {
  readonly name: string;
  /** Opens the readers; answers those that must get the events, where some must. */
  readonly readers: (here: ServerProcess, there: ServerProcess, users: readonly string[]) => Promise<readonly Load[]>;
  readonly isRead: boolean;
}

const cases: readonly Case[] = [
  { name: "no reader", isRead: false, readers: async () => [] },
  {
    name: "no reader; the other node follows 1,000 other users",
    isRead: false,
    readers: async (_, there) => [await openLoad("runcast", [there], userNames(othersFollowed, "other"), 1)],
  },
  {
    name: "a reader on the publisher's node",
    isRead: true,
    readers: async (here, _, users) => [await openLoad("runcast", [here], users, 1)],
  },
  {
    name: "a reader on the other node",
    isRead: true,
    readers: async (_, there, users) => [await openLoad("runcast", [there], users, 1)],
  },
];

const traffic = ({ store }: ProcessFigures): number => store.inBytes + store.outBytes;

async function measure(store: StoreUnderTest, { readers, isRead }: Case, seconds: number): Promise<Figures> {
  const [here, there] = await startNodes("runcast", store, 2);
  if (here === undefined || there === undefined) throw new Error("two nodes were to start");
  const users = userNames(speakers);
  const loads: Load[] = [];
  const speak = async (batches: number): Promise<number> => {
    for (const load of loads) load.reset();
    const said = here.control.hear("said");
    const all = isRead ? loads.map((load) => load.untilStill(speakers * batches)) : [];
    here.control.order({ do: "say", saying: { users, batch: 1, batches, everyMs: 0 } });
    const [word] = await Promise.all([said, ...all]);
    return word.seconds;
  };
  try {
    // Each user's run begins before anybody listens.
    const begun = here.control.hear("said");
    here.control.order({ do: "say", saying: { users, batch: 1, batches: 1, everyMs: 0 } });
    await begun;
    loads.push(...(await readers(here, there, users)));
    await speak(trialBatches);
    const trialSeconds = await speak(trialBatches);
    const batches = Math.max(trialBatches, Math.round((trialBatches * seconds) / trialSeconds));
    const [a, b, used] = [await figuresOf(here), await figuresOf(there), await store.use()];
    await speak(batches);
    const [a2, b2, used2] = [await figuresOf(here), await figuresOf(there), await store.use()];
    const events = speakers * batches;
    return {
      hereMicros: ((a2.cpuSeconds - a.cpuSeconds) * microsPerSecond) / events,
      thereMicros: ((b2.cpuSeconds - b.cpuSeconds) * microsPerSecond) / events,
      storeMicros: ((used2.cpuSeconds - used.cpuSeconds) * microsPerSecond) / events,
      operations: (used2.operations - used.operations) / events,
      hereBytes: (traffic(a2) - traffic(a)) / events,
      thereBytes: (traffic(b2) - traffic(b)) / events,
    };
  } finally {
    for (const load of loads) load.close();
    await here.stop();
    await there.stop();
  }
}

export async function benchBells({ rounds, seconds, stores: names, write, say }: BenchOptions): Promise<void> {
  await withStores(
    names.filter((name) => name === "postgres" || name.startsWith("redis")),
    async (stores) => {
      const about = provenance("bells", [...new Set(stores.map(({ version }) => version))], rounds);
      say(`bells: ${about}`);
      const found = new Map<string, Figures[]>();
      const nameOf = (store: StoreUnderTest, { name }: Case): string => `${store.label} | ${name}`;
      for (let round = 0; round < rounds; round += 1)
        for (const store of stores)
          for (const each of cases) {
            const name = nameOf(store, each);
            found.set(name, [...(found.get(name) ?? []), await measure(store, each, seconds)]);
            say(`  round ${round + 1}: ${name} ${JSON.stringify(found.get(name)?.at(-1))}`);
          }
      const rows = stores.flatMap((store) =>
        cases.map((each) => {
          const all = found.get(nameOf(store, each)) ?? [];
          const middle = (of: keyof Figures): string =>
            percentile(
              all.map((figures) => figures[of]),
              0.5,
            ).toFixed(of === "operations" ? 2 : 0);
          const cells = ["hereMicros", "thereMicros", "storeMicros", "operations", "hereBytes", "thereBytes"] as const;
          return [store.label, each.name, ...cells.map(middle)];
        }),
      );
      const columns = ["µs CPU/event, publisher's node", "other node", "store", "store operations/event"];
      const all = table(["store", "", ...columns, "bytes/event, publisher's node ↔ store", "other node ↔ store"], rows);
      const text = ["", about, "", all, ""].join("\n");
      say(text);
      if (write) writeMeasured("bells", text);
    },
  );
}
