/** Every metric of the house. The page on operations names them all, and a test holds the two equal. */
import { breakerMetrics } from "./breaker-metrics.ts";
import { deliveryMetrics } from "./delivery-metrics.ts";
import { fallbackMetrics } from "./fallback-metrics.ts";
import type { Metric } from "./metric.ts";
import { facadeMetrics } from "./facade-metrics.ts";
import { processMetrics } from "./process-metrics.ts";
import { runtimeMetrics } from "./runtime-metrics.ts";
import { workerMetrics } from "./worker-metrics.ts";

export const metrics: readonly Metric[] = [
  ...runtimeMetrics,
  ...deliveryMetrics,
  ...fallbackMetrics,
  ...breakerMetrics,
  ...facadeMetrics,
  ...processMetrics,
  ...workerMetrics,
];
