/** What this process counts: the runtime, the process and its doors. Read by `/metrics`, and for the page of all workers. */
import { processFigures } from "../platform/process-figures.ts";
import type { Figures } from "../telemetry/metric.ts";
import type { Desk } from "./desk.ts";

export const figuresOf = ({ runtime, answers, pending, addresses, ceiling }: Desk): Figures => ({
  runtime: runtime.figures(),
  process: processFigures(),
  gateway: {
    answers,
    pendingSockets: pending.count,
    refusals: addresses.refusals,
    droppedSockets: ceiling.dropped,
  },
});
