/**
 * The Vite plugin that turns the run machine into `virtual:run-chart`: the layout engine runs here, at build time,
 * and the page gets coordinates only.
 */
import type { Plugin } from "vite";
import { layoutChart } from "./layout.ts";
import { runGraph } from "./run-graph.ts";

const moduleId = "virtual:run-chart";
// Rollup's convention: other plugins leave ids with a NUL alone.
const resolvedId = `\0${moduleId}`;

export function statechartPlugin(): Plugin {
  return {
    name: "runcast-statechart",
    resolveId: (id) => (id === moduleId ? resolvedId : undefined),
    load: async (id) =>
      id === resolvedId ? `export const runChart = ${JSON.stringify(await layoutChart(runGraph()))};` : undefined,
  };
}
