/** `npm run bench -- scale [--write]`: a real thousand users beside what the cost model says of them. */
import type { BenchOptions } from "../stores/bench-stores.ts";
import { withStores } from "../stores/bench-stores.ts";
import { provenance, table, writeMeasured } from "../stores/markdown.ts";
import { costsOf, isMeasured } from "./measured.ts";
import { smallRun } from "./small-run.ts";

const digits = 3;
const percent = 100;

export async function benchScale({ stores: names, write, say }: BenchOptions): Promise<void> {
  const others = names.filter((name) => !isMeasured(name));
  if (others.length > 0) say(`scale: the model has no costs of ${others.join(", ")}: npm run bench -- costs --write`);
  await withStores(names.filter(isMeasured), async (stores) => {
    const about = provenance("scale", [...new Set(stores.map(({ version }) => version))], 1);
    say(`scale: ${about}`);
    const rows: string[][] = [];
    for (const store of stores)
      for (const { what, measured, predicted } of await smallRun(store, costsOf(store.name))) {
        const error = ((predicted - measured) / measured) * percent;
        const figures = [measured, predicted].map((value) => String(Number(value.toPrecision(digits))));
        rows.push([store.label, what, ...figures, `${error > 0 ? "+" : ""}${error.toFixed(0)} %`]);
        say(`  ${rows.at(-1)?.join(" | ")}`);
      }
    const text = ["", about, "", table(["store", "", "measured", "predicted", "error"], rows), ""].join("\n");
    say(text);
    if (write) writeMeasured("scale", text);
  });
}
