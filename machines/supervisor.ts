/**
 * The supervisor: starting → accepting → draining → stopped. It owns every other actor, and its state is what
 * `/readyz` tells. Only while it accepts are connections and runs taken in.
 */
import { setup } from "xstate";

export type SupervisorFact =
  /** The log answers and orphans are on the deadline wheel. */
  | { readonly type: "store.opened" }
  | { readonly type: "stop.requested" }
  /** All that was accepted is durable and every connection has had its goodbye. */
  | { readonly type: "drain.finished" }
  /** Children are over: a connection closed, a run ended. */
  | { readonly type: "children.released" };

export const supervisorMachine = setup({
  types: { events: {} as SupervisorFact, tags: {} as "accepting" },
  actions: {
    /** Provided by the runtime, which keeps the children: stops the released ones. */
    stopReleased: () => {},
  },
}).createMachine({
  id: "supervisor",
  initial: "starting",
  on: { "children.released": { actions: "stopReleased" } },
  states: {
    starting: { on: { "store.opened": "accepting", "stop.requested": "stopped" } },
    accepting: { tags: "accepting", on: { "stop.requested": "draining" } },
    draining: { on: { "drain.finished": "stopped" } },
    stopped: {},
  },
});
