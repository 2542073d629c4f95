/** Every (state, fact) pair of the supervisor machine: starting → accepting → draining → stopped. */
import { getNextSnapshot } from "xstate";
import type { SnapshotFrom } from "xstate";
import { describe, expect, it } from "vitest";
import type { SupervisorFact } from "../../machines/supervisor.ts";
import { supervisorMachine } from "../../machines/supervisor.ts";

type State = SnapshotFrom<typeof supervisorMachine>["value"];

const table: Record<State, Record<SupervisorFact["type"], State>> = {
  starting: {
    "store.opened": "accepting",
    "stop.requested": "stopped",
    "drain.finished": "starting",
    "children.released": "starting",
  },
  accepting: {
    "store.opened": "accepting",
    "stop.requested": "draining",
    "drain.finished": "accepting",
    "children.released": "accepting",
  },
  draining: {
    "store.opened": "draining",
    "stop.requested": "draining",
    "drain.finished": "stopped",
    "children.released": "draining",
  },
  stopped: {
    "store.opened": "stopped",
    "stop.requested": "stopped",
    "drain.finished": "stopped",
    "children.released": "stopped",
  },
};

const pairs = Object.entries(table).flatMap(([state, row]) =>
  Object.entries(row).map(([type, to]) => ({ state: state as State, type: type as SupervisorFact["type"], to })),
);

describe("supervisor machine", () => {
  it.each(pairs)("goes from $state with $type to $to", ({ state, type, to }) => {
    const from = supervisorMachine.resolveState({ value: state });
    expect(getNextSnapshot(supervisorMachine, from, { type }).value).toBe(to);
  });

  it("takes in only while it accepts", () => {
    for (const state of Object.keys(table) as readonly State[])
      expect(supervisorMachine.resolveState({ value: state }).hasTag("accepting")).toBe(state === "accepting");
  });

  it("knows no state and no fact that the table does not", () => {
    expect(Object.keys(supervisorMachine.states).toSorted()).toEqual(Object.keys(table).toSorted());
    expect(supervisorMachine.events.toSorted()).toEqual(Object.keys(table.stopped).toSorted());
  });
});
