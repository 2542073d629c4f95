/** The constants as `npm run bench -- costs --write` has measured them last: kept in measured.json beside this. */
import { readFileSync, writeFileSync } from "node:fs";
import type { Measured, StoreCosts } from "./costs.ts";

const file = new URL("./measured.json", import.meta.url);

export const measured = (): Measured => JSON.parse(readFileSync(file, "utf8")) as Measured;

/** Replaces those of these stores; the others stay as they were measured. */
export function writeCosts(about: string, stores: Readonly<Record<string, StoreCosts>>): void {
  const all: Measured = { about, stores: { ...measured().stores, ...stores } };
  const digits = 4;
  const text = JSON.stringify(
    all,
    (_, value: unknown) => (typeof value === "number" ? Number(value.toPrecision(digits)) : value),
    2,
  );
  writeFileSync(file, `${text}\n`);
}

export const isMeasured = (store: string): boolean => store in measured().stores;

/** Fails with the names that there are. */
export function costsOf(store: string): StoreCosts {
  const { stores } = measured();
  const costs = stores[store];
  if (costs === undefined)
    throw new Error(`nothing is measured of ${store}; of ${Object.keys(stores).join(", ")} it is`);
  return costs;
}
