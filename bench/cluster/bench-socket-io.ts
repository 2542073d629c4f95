/**
 * `npm run bench -- socket.io`: the same work on two nodes beside Socket.IO with its Redis Streams adapter and connection
 * state recovery, on the same Redis, in turns. The two promise different things; docs/scale.md says which.
 */
import { createRequire } from "node:module";
import type { BenchOptions } from "../stores/bench-stores.ts";
import { withStores } from "../stores/bench-stores.ts";
import { provenance, writeMeasured } from "../stores/markdown.ts";
import type { Kind } from "../wire/load.ts";
import type { ClusterRow } from "./cluster-table.ts";
import { clusterTable } from "./cluster-table.ts";
import { measureCluster } from "./measure-cluster.ts";

const nodes = 2;
const users = 100;
const connectionsPerUser = 2;
const require = createRequire(import.meta.url);

function versionOf(name: string): string {
  const { version } = require(`${name}/package.json`) as { readonly version: string };
  return `${name} ${version}`;
}

export async function benchSocketIo({ rounds, seconds, stores: names, write, say }: BenchOptions): Promise<void> {
  await withStores(
    names.filter((name) => name.startsWith("redis")),
    async (stores) => {
      const versions = [...new Set(stores.map(({ version }) => version)), versionOf("socket.io")];
      const about = provenance("socket.io", [...versions, versionOf("@socket.io/redis-streams-adapter")], rounds);
      say(`socket.io: ${about}`);
      const kinds: readonly (readonly [Kind, string])[] = [
        ["socket-io", "Socket.IO"],
        ["runcast", "Runcast"],
      ];
      const rows = new Map<string, ClusterRow>();
      for (let round = 0; round < rounds; round += 1)
        for (const store of stores)
          for (const [kind, label] of kinds) {
            const name = `${store.name} ${kind}`;
            const row = rows.get(name) ?? { labels: [label, store.label], rounds: [] };
            rows.set(name, row);
            row.rounds.push(await measureCluster(store, { kind, nodes, users, connectionsPerUser, seconds }));
            const { deliveriesPerSecond = 0 } = row.rounds.at(-1) ?? {};
            say(`  round ${round + 1}: ${label}, ${store.label}: ${deliveriesPerSecond.toFixed(0)} deliveries/s`);
          }
      const text = ["", about, "", clusterTable(["", "store"], [...rows.values()]), ""].join("\n");
      say(text);
      if (write) writeMeasured("socket.io", text);
    },
  );
}
