/** `npm run bench -- costs [--stores a,b] [--write]`: the constants of the cost model, store by store. */
import type { BenchOptions } from "../stores/bench-stores.ts";
import { withStores } from "../stores/bench-stores.ts";
import { provenance } from "../stores/markdown.ts";
import type { StoreCosts } from "./costs.ts";
import { measureCosts } from "./measure-costs.ts";
import { costTable, memoryTable } from "./tables.ts";
import { writeCosts } from "./measured.ts";

export async function benchCosts({ stores: names, write, say }: BenchOptions): Promise<void> {
  await withStores(names, async (stores) => {
    const about = provenance("costs", [...new Set(stores.map(({ version }) => version))], 1);
    say(`costs: ${about}`);
    const all: Record<string, StoreCosts> = {};
    for (const store of stores) {
      all[store.name] = await measureCosts(store, say);
      if (write) writeCosts(about, { [store.name]: all[store.name] as StoreCosts });
    }
    say(costTable({ about, stores: all }));
    say(memoryTable({ about, stores: all }));
    if (write) say("now: node scripts/scale-table.ts");
  });
}
