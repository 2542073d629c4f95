/** What the supervisor and the breakers say of themselves, as metrics. */
import type { BreakerState } from "../../machines/circuit-breaker.ts";
import type { SupervisorState } from "../runtime/runtime.ts";
import type { Metric, Sample } from "./metric.ts";

const supervisorStates: readonly SupervisorState[] = ["starting", "accepting", "draining", "stopped"];
const breakerStates: readonly BreakerState[] = ["closed", "open", "halfOpen"];

/** One sample for each state that there is: 1 for the one that holds. */
const isIn = <State extends string>(states: readonly State[], now: State, labels = {}): Sample[] =>
  states.map((state) => ({ labels: { ...labels, state }, value: state === now ? 1 : 0 }));

export const breakerMetrics: readonly Metric[] = [
  {
    name: "runcast_state",
    kind: "gauge",
    help: "1 for the state that the supervisor is in.",
    read: ({ runtime }) => isIn(supervisorStates, runtime.state),
  },
  {
    name: "runcast_breaker_state",
    kind: "gauge",
    help: "1 for the state that the breaker is in.",
    read: ({ runtime }) => runtime.breakers.flatMap(({ name, state }) => isIn(breakerStates, state, { breaker: name })),
  },
  {
    name: "runcast_breaker_health",
    kind: "gauge",
    help: "0 (open) to 100.",
    read: ({ runtime }) => runtime.breakers.map(({ name, health }) => ({ labels: { breaker: name }, value: health })),
  },
  {
    name: "runcast_breaker_opened_total",
    kind: "counter",
    help: "How often the breaker has opened.",
    read: ({ runtime }) =>
      runtime.breakers.map(({ name, openedCount }) => ({ labels: { breaker: name }, value: openedCount })),
  },
  {
    name: "runcast_connection_breakers",
    kind: "gauge",
    help: "Connections by the state of their breaker.",
    read: ({ runtime }) =>
      breakerStates.map((state) => ({ labels: { state }, value: runtime.connectionBreakers[state] })),
  },
  {
    name: "runcast_connection_health_lowest",
    kind: "gauge",
    help: "Of the weakest connection, 0 to 100: its breaker and how far its acks are behind.",
    read: ({ runtime }) => [{ value: runtime.connectionBreakers.lowestHealth }],
  },
];
