/**
 * `npm run fleet -- [--seed N] [--minutes M] [--store postgres|redis] [--nodes N]`: nodes on one store under load, with
 * faults of nodes and of the store drawn at random, round after round, and every law asked at the end of each round.
 *
 * Ends with 0 when every law held, with 1 and the seed when one broke.
 */
import { parseArgs } from "node:util";
import type { StoreKind } from "../test/support/fleet/fleet-store.ts";
import { storeKinds } from "../test/support/fleet/fleet-store.ts";
import { searchFleet } from "../test/support/fleet/fleet-search.ts";

const minuteMs = 60_000;
const { values } = parseArgs({
  options: {
    seed: { type: "string", default: String(Date.now() % 1e6) },
    minutes: { type: "string", default: "5" },
    store: { type: "string" },
    nodes: { type: "string", default: "3" },
  },
});
const kinds = storeKinds.filter((kind) => values.store === undefined || kind === values.store);
const [seed, minutes, nodes] = [Number(values.seed), Number(values.minutes), Number(values.nodes)];
if (kinds.length === 0 || !Number.isSafeInteger(seed) || !(minutes > 0) || !(nodes >= 2)) {
  console.error("usage: npm run fleet -- [--seed N] [--minutes M] [--store postgres|redis] [--nodes N, from 2]");
  process.exit(2);
}

async function search(kind: StoreKind): Promise<void> {
  const figures = await searchFleet({
    ...{ kind, seed, nodes },
    endMono: performance.now() + (minutes * minuteMs) / kinds.length,
    say: (line) => console.log(`${kind}: ${line}`),
  });
  console.log(`${kind}: ${JSON.stringify(figures)}`);
}

try {
  for (const kind of kinds) await search(kind);
} catch (error) {
  console.error(error);
  console.error(`VIOLATION seed=${seed}`);
  process.exit(1);
}
// What a killed node has left of its connections is waited for by nobody.
process.exit(0);
