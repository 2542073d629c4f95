/** `npm run bench -- nodes`: W1 over one, two and three nodes on each shared store, in turns. */
import type { BenchOptions } from "../stores/bench-stores.ts";
import { withStores } from "../stores/bench-stores.ts";
import { provenance, writeMeasured } from "../stores/markdown.ts";
import type { ClusterRow } from "./cluster-table.ts";
import { clusterTable } from "./cluster-table.ts";
import { measureCluster } from "./measure-cluster.ts";

const nodeCounts = [1, 2, 3] as const;
const users = 100;
const connectionsPerUser = 2;

export async function benchNodes({ rounds, seconds, stores: names, write, say }: BenchOptions): Promise<void> {
  await withStores(
    names.filter((name) => name === "postgres" || name.startsWith("redis")),
    async (stores) => {
      const about = provenance("nodes", [...new Set(stores.map(({ version }) => version))], rounds);
      say(`nodes: ${about}`);
      const rows = new Map<string, ClusterRow>();
      for (let round = 0; round < rounds; round += 1)
        for (const store of stores)
          for (const nodes of nodeCounts) {
            const row = rows.get(`${store.name} ${nodes}`) ?? { labels: [store.label, String(nodes)], rounds: [] };
            rows.set(`${store.name} ${nodes}`, row);
            const work = { kind: "runcast", nodes, users, connectionsPerUser, seconds } as const;
            row.rounds.push(await measureCluster(store, work));
            const { deliveriesPerSecond = 0 } = row.rounds.at(-1) ?? {};
            say(
              `  round ${round + 1}: ${store.label}, ${nodes} node(s): ${deliveriesPerSecond.toFixed(0)} deliveries/s`,
            );
          }
      const text = ["", about, "", clusterTable(["store", "nodes"], [...rows.values()]), ""].join("\n");
      say(text);
      if (write) writeMeasured("nodes", text);
    },
  );
}
