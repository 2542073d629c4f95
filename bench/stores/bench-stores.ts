/** `npm run bench -- stores [--stores a,b] [--seconds N] [--rounds N] [--write]`: what each store takes and how fast. */
import { appendRates } from "./append-rates.ts";
import { endToEnd } from "./end-to-end.ts";
import { provenance, writeMeasured } from "./markdown.ts";
import type { StoreName, StoreUnderTest } from "./store-under-test.ts";
import { startStore, storeNames } from "./store-under-test.ts";

export interface BenchOptions {
  readonly rounds: number;
  readonly seconds: number;
  /** Default: all. */
  readonly stores: readonly StoreName[];
  /** Into docs/scale.md, too. */
  readonly write: boolean;
  readonly say: (line: string) => void;
}

export function storeNamesOf(text: string | undefined): readonly StoreName[] {
  if (text === undefined) return storeNames;
  return text.split(",").map((word) => {
    const name = storeNames.find((each) => each === word);
    if (name === undefined) throw new Error(`--stores: there is no ${word}; right: ${storeNames.join(", ")}`);
    return name;
  });
}

/** Starts the stores, and ends them whatever happens in between. */
export async function withStores<Value>(
  names: readonly StoreName[],
  work: (stores: readonly StoreUnderTest[]) => Promise<Value>,
): Promise<Value> {
  await using opened = new AsyncDisposableStack();
  const stores: StoreUnderTest[] = [];
  for (const name of names) stores.push(opened.use(await startStore(name)));
  return await work(stores);
}

export async function benchStores({ rounds, seconds, stores: names, write, say }: BenchOptions): Promise<void> {
  await withStores(names, async (stores) => {
    const about = provenance("stores", [...new Set(stores.map(({ version }) => version))], rounds);
    say(`stores: ${about}`);
    const appends = await appendRates(stores, rounds, seconds, say);
    const delivered = await endToEnd(stores, rounds, seconds, say);
    const text = ["", about, "", "Appends:", "", appends, "", "End to end:", "", delivered, ""].join("\n");
    say(text);
    if (write) writeMeasured("stores", text);
  });
}
