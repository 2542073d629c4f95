/** Figures of clusters as rows of a table, each the median of its rounds. */
import { table } from "../stores/markdown.ts";
import { percentile } from "../wire/fan-out.ts";
import type { ClusterFigures } from "./measure-cluster.ts";

export interface ClusterRow {
  readonly labels: readonly string[];
  readonly rounds: ClusterFigures[];
}

export function clusterTable(names: readonly string[], rows: readonly ClusterRow[]): string {
  const cells = rows.map(({ labels, rounds }) => {
    const middle = (of: keyof ClusterFigures): number =>
      percentile(
        rounds.map((figures) => figures[of]),
        0.5,
      );
    return [
      ...labels,
      middle("deliveriesPerSecond").toFixed(0),
      middle("nodesCpu").toFixed(2),
      middle("storeCpu").toFixed(2),
      middle("p50Ms").toFixed(2),
      middle("p99Ms").toFixed(2),
      middle("lastP99Ms").toFixed(2),
      middle("storeOperationsPerEvent").toFixed(2),
      middle("storeBytesPerEvent").toFixed(0),
      String(rounds.reduce((sum, { lost }) => sum + lost, 0)),
    ];
  });
  const columns = ["deliveries/s", "CPU s/100k, nodes", "CPU s/100k, store", "p50 ms", "p99 ms", "last reader p99 ms"];
  return table([...names, ...columns, "store operations/event", "store bytes/event", "lost"], cells);
}
