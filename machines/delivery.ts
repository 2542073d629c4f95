/**
 * How one connection is being served: replaying → live ⇄ blocked → ended.
 *
 * The outbox moves bytes and says when the mode changes; events flow past this machine. `blocked` is not an
 * error: the reader is slow, costs its cursor, and later reads on from the log (L11).
 */
import { setup } from "xstate";

export type DeliveryFact =
  /** What was sent reaches the head of the stream. */
  | { readonly type: "head.reached" }
  /** The next event is no longer at hand in memory: it is read from the log. */
  | { readonly type: "memory.outrun" }
  /** Too much is un-acked, the network takes no more, or the breaker of the connection lets nothing through. */
  | { readonly type: "window.filled" }
  | { readonly type: "window.opened" }
  | { readonly type: "connection.closed" };

export const deliveryMachine = setup({
  types: { events: {} as DeliveryFact },
}).createMachine({
  id: "delivery",
  initial: "replaying",
  on: { "connection.closed": ".ended" },
  states: {
    replaying: { on: { "head.reached": "live", "window.filled": "blocked" } },
    live: { on: { "memory.outrun": "replaying", "window.filled": "blocked" } },
    blocked: { on: { "window.opened": "replaying" } },
    ended: {},
  },
});
