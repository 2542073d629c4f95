/**
 * `npm run scale -- --users 1e6 [--store redis-everysec] [--<term> <number> …] [--core-hour P --gib-hour P --gib-month P]`: what
 * so many users need, by the measured constants, and an hour of it played. Prices are yours: none are known here.
 */
import { parseArgs } from "node:util";
import { costsOf, measured } from "./measured.ts";
import type { Population } from "./model.ts";
import { cellOf, population, predict } from "./model.ts";
import { play } from "./simulation.ts";
import { peopleOn, sharedStores } from "./tables.ts";

const hoursPerMonth = 730;
const mebibyte = 1_048_576;
const terms = Object.keys(population) as (keyof Population)[];
const { values } = parseArgs({
  options: {
    store: { type: "string" },
    seed: { type: "string", default: "1" },
    seconds: { type: "string", default: "3600" },
    storm: { type: "string", default: "5" },
    "core-hour": { type: "string" },
    "gib-hour": { type: "string" },
    "gib-month": { type: "string" },
    ...Object.fromEntries(terms.map((name) => [name, { type: "string" as const }])),
  },
});

function numberOf(name: string, text: unknown): number {
  const value = Number(text);
  if (typeof text !== "string" || !Number.isFinite(value) || value < 0)
    throw new Error(`--${name} is a number that is not negative, not ${String(text)}`);
  return value;
}

const given = terms.flatMap((name) => {
  const text: unknown = Reflect.get(values, name);
  return text === undefined ? [] : [[name, numberOf(name, text)]];
});
const people: Population = { ...population, ...(Object.fromEntries(given) as Partial<Population>) };
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const fixed = (value: number): string => value.toLocaleString("en-US", { maximumSignificantDigits: 3 });

const names = values.store === undefined ? sharedStores(measured()).map(([name]) => name) : [String(values.store)];
say(measured().about);
for (const name of names) {
  const costs = costsOf(name);
  const mine = given.some(([term]) => term === "coresPerStore") ? people : peopleOn(name, people);
  const found = predict(mine, costs);
  const seconds = numberOf("seconds", values.seconds);
  const storm = { atSecond: Math.floor(seconds / 2), overSeconds: numberOf("storm", values.storm) };
  const played = play(cellOf(mine, found.cells), costs, {
    nodes: found.nodes / found.cells,
    seconds,
    seed: numberOf("seed", values.seed),
    storm,
  });
  say(`${costs.label}, ${fixed(mine.users)} users`);
  say(`  connections ${fixed(found.connections)}, living runs ${fixed(found.livingRuns)}`);
  for (const [activity, rate] of Object.entries(found.perSecond)) say(`  ${activity.padEnd(10)} ${fixed(rate)}/s`);
  say(`  cells ${found.cells}`);
  say(`  nodes ${found.nodes}: ${fixed(found.nodeCores)} cores busy, ${fixed(found.memoryGib)} GiB`);
  say(`  store servers ${found.stores}: ${fixed(found.storeCores)} cores busy, ${fixed(found.storedGib)} GiB kept`);
  say(
    `  store ${fixed(found.storeOperationsPerSecond)} operations/s, ${fixed(found.storeBytesPerSecond / mebibyte)} MiB/s`,
  );
  say(`  clients ${fixed(found.clientBytesPerSecond / mebibyte)} MiB/s`);
  say(
    `  one cell played ${fixed(seconds)} s: nodes ${fixed(played.nodeCores)} cores, store ${fixed(played.storeCores)} (mean)`,
  );
  say(
    `  busiest second: nodes ${fixed(played.peakNodeCores)} cores, store ${fixed(played.peakStoreCores)}, connects ${fixed(played.peakConnectsPerSecond)}`,
  );
  const prices = [values["core-hour"], values["gib-hour"], values["gib-month"]];
  if (prices.every((price) => price === undefined)) continue;
  const [coreHour = 0, gibHour = 0, gibMonth = 0] = prices.map((price) =>
    price === undefined ? 0 : numberOf("price", price),
  );
  const cores = found.nodes * mine.coresPerNode + found.stores * mine.coresPerStore;
  const perMonth =
    hoursPerMonth * (cores * coreHour + found.nodes * mine.gibPerNode * gibHour) + found.storedGib * gibMonth;
  say(`  price a month at the peak's size, by your prices: ${fixed(perMonth)}`);
}
