/** Every (state, fact) pair of the delivery machine: replaying → live ⇄ blocked → ended. */
import { getNextSnapshot } from "xstate";
import type { SnapshotFrom } from "xstate";
import { describe, expect, it } from "vitest";
import type { DeliveryFact } from "../../machines/delivery.ts";
import { deliveryMachine } from "../../machines/delivery.ts";

type State = SnapshotFrom<typeof deliveryMachine>["value"];

/** What stands nowhere changes nothing. */
const table: Record<State, Record<DeliveryFact["type"], State>> = {
  replaying: {
    "head.reached": "live",
    "memory.outrun": "replaying",
    "window.filled": "blocked",
    "window.opened": "replaying",
    "connection.closed": "ended",
  },
  live: {
    "head.reached": "live",
    "memory.outrun": "replaying",
    "window.filled": "blocked",
    "window.opened": "live",
    "connection.closed": "ended",
  },
  blocked: {
    "head.reached": "blocked",
    "memory.outrun": "blocked",
    "window.filled": "blocked",
    "window.opened": "replaying",
    "connection.closed": "ended",
  },
  ended: {
    "head.reached": "ended",
    "memory.outrun": "ended",
    "window.filled": "ended",
    "window.opened": "ended",
    "connection.closed": "ended",
  },
};

const pairs = Object.entries(table).flatMap(([state, row]) =>
  Object.entries(row).map(([type, to]) => ({ state: state as State, type: type as DeliveryFact["type"], to })),
);

describe("delivery machine", () => {
  it.each(pairs)("goes from $state with $type to $to", ({ state, type, to }) => {
    const from = deliveryMachine.resolveState({ value: state });
    expect(getNextSnapshot(deliveryMachine, from, { type }).value).toBe(to);
  });

  it("knows no state and no fact that the table does not", () => {
    expect(Object.keys(deliveryMachine.states).toSorted()).toEqual(Object.keys(table).toSorted());
    expect(deliveryMachine.events.toSorted()).toEqual(Object.keys(table.ended).toSorted());
  });
});
