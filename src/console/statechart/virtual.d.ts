declare module "virtual:run-chart" {
  // An ambient module may not import from beside it.
  // oxlint-disable-next-line typescript/consistent-type-imports
  export const runChart: import("./layout.ts").Chart;
}
