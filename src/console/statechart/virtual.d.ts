declare module "virtual:run-chart" {
  import type { Chart } from "./layout.ts";

  export const runChart: Chart;
}
