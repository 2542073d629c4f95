/** What is measured and what follows from it, as the tables of docs/scale.md. */
import { table } from "../stores/markdown.ts";
import type { Measured, StoreCosts, Use } from "./costs.ts";
import { activities, meanings } from "./costs.ts";
import type { Population, Prediction } from "./model.ts";
import { cellOf, population, predict } from "./model.ts";
import { play } from "./simulation.ts";

const kibibyte = 1_024;
const mebibyte = kibibyte * kibibyte;
/** Digits of a figure that is read and not reckoned with. */
const digits = 3;
const sizes = [1e4, 1e6, 1e8] as const;
const simulatedSeconds = 600;
const stormAt = 300;
/** What clients' back-off has come to when a node is gone for a few seconds. */
const stormSeconds = 5;
const seed = 1;

const number = (value: number): string => {
  const text = Number(value.toPrecision(digits));
  return Number.isFinite(text) ? text.toLocaleString("en-US", { maximumSignificantDigits: digits }) : "–";
};

/** One row for each thing that happens: what it costs on each store. */
export function costTable({ stores }: Measured): string {
  const cell = ({ nodeMicros, storeMicros, storeOperations, storeBytes, clientBytes }: Use): string =>
    [nodeMicros, storeMicros, storeOperations, storeBytes, clientBytes].map(number).join(" · ");
  const rows = activities.map((activity) => [
    `\`${activity}\``,
    meanings[activity],
    ...Object.values(stores).map(({ uses }) => cell(uses[activity])),
  ]);
  return table(["", "one of it is", ...Object.values(stores).map(({ label }) => label)], rows);
}

export function memoryTable({ stores }: Measured): string {
  const rows = Object.values(stores).map(({ label, memory, storedBytesPerEvent }) => [
    label,
    number(memory.nodeMib),
    number(memory.connectionKib),
    number(memory.runKib),
    number(storedBytesPerEvent),
  ]);
  return table(["store", "node MiB", "connection KiB", "living run KiB", "stored bytes/event"], rows);
}

const predictionRow = (users: number, label: string, found: Prediction): string[] => [
  users.toLocaleString("en-US"),
  label,
  number(found.connections),
  number(found.livingRuns),
  number(found.perSecond.append),
  number(found.perSecond.deliver),
  String(found.cells),
  number(found.nodeCores),
  String(found.nodes),
  number(found.storeCores),
  String(found.stores),
  number(found.memoryGib),
  number(found.storeOperationsPerSecond),
  number(found.storeBytesPerSecond / mebibyte),
  number(found.clientBytesPerSecond / mebibyte),
  number(found.storedGib),
];

/** A store that is a server: only these have more than one node. */
export const sharedStores = ({ stores }: Measured): readonly (readonly [string, StoreCosts])[] =>
  Object.entries(stores).filter(([name]) => name === "postgres" || name.startsWith("redis"));

/** Redis does its work on one core, whatever the machine has. */
export const peopleOn = (store: string, people: Population): Population =>
  store.startsWith("redis") ? { ...people, coresPerStore: 1 } : people;

export function predictionTable(measured: Measured): string {
  const rows = sizes.flatMap((users) =>
    sharedStores(measured).map(([name, costs]) =>
      predictionRow(users, costs.label, predict(peopleOn(name, { ...population, users }), costs)),
    ),
  );
  const names = [
    "users",
    "store",
    "connections",
    "living runs",
    "events/s",
    "deliveries/s",
    "cells",
    "node cores",
    "nodes",
  ];
  const more = ["store cores", "store servers", "node memory GiB", "store operations/s", "store MiB/s", "client MiB/s"];
  return table([...names, ...more, "kept GiB"], rows);
}

/** The busiest seconds, and how far the formulas are from the mean that the simulation has played. */
export function simulationTable(measured: Measured): string {
  const rows = sizes.flatMap((users) =>
    sharedStores(measured).map(([name, costs]) => {
      const people = peopleOn(name, { ...population, users });
      const found = predict(people, costs);
      const storm = { atSecond: stormAt, overSeconds: stormSeconds };
      const { cells } = found;
      const cell = {
        nodes: found.nodes / cells,
        nodeCores: found.nodeCores / cells,
        storeCores: found.storeCores / cells,
      };
      const played = play(cellOf(people, cells), costs, { nodes: cell.nodes, seconds: simulatedSeconds, seed, storm });
      const off = (is: number, said: number): string => `${(((is - said) / said) * 100).toFixed(1)} %`;
      return [
        users.toLocaleString("en-US"),
        costs.label,
        String(cells),
        `${number(cell.nodeCores)} / ${number(played.nodeCores)} (${off(played.nodeCores, cell.nodeCores)})`,
        `${number(cell.storeCores)} / ${number(played.storeCores)} (${off(played.storeCores, cell.storeCores)})`,
        number(played.peakNodeCores),
        number(played.peakStoreCores),
        number(played.peakConnectsPerSecond),
      ];
    }),
  );
  const names = [
    "users",
    "store",
    "cells",
    "node cores of one: formula / simulation",
    "store cores: formula / simulation",
  ];
  return table([...names, "busiest second: node cores", "store cores", "connects/s"], rows);
}

/** The parts that these population terms name. */
export function assumptionTable(): string {
  return table(
    ["", "assumed"],
    Object.entries(population)
      .filter(([name]) => name !== "users")
      .map(([name, value]) => [`\`${name}\``, String(value)]),
  );
}
