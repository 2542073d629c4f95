/**
 * One user connection: authenticating → ready → draining → closed, with its heartbeat.
 *
 * The runtime turns what happens on the wire into facts; this machine alone says whether the connection is alive
 * and why it ends (`context.ending`). Nothing is handled or registered before `ready` (LESSONS 30, 34, 38).
 */
import { assign, setup } from "xstate";

/** Pings in a row without an answer after which the other side is gone. */
export const maxMissedPings = 2;

export interface Ending {
  readonly code: number;
  readonly reason: string;
}

export interface ConnectionContext {
  readonly missedPings: number;
  /** Set on the way into `closed`. Null while it lives, and when the other side went first. */
  readonly ending: Ending | null;
}

export type ConnectionFact =
  /** Hello came, the credential holds, and the place in the stream is known. */
  | { readonly type: "session.opened" }
  /** No hello (or no confirmation) in time. */
  | { readonly type: "deadline.passed"; readonly reason: string }
  | { readonly type: "credential.refused"; readonly reason: string }
  | { readonly type: "credential.expired" }
  /** The user, the session or what else it stands for was revoked. */
  | { readonly type: "credential.revoked" }
  /** Whether the credential holds cannot be found out now. */
  | { readonly type: "authority.silent" }
  /** The log does not answer, so nobody's place in a stream is known. */
  | { readonly type: "log.silent" }
  /** Good, but for another user than this connection's. */
  | { readonly type: "credential.foreign" }
  | { readonly type: "frame.refused"; readonly reason: string }
  /** More than this connection or its user may send. */
  | { readonly type: "rate.exceeded"; readonly reason: string }
  | { readonly type: "ping.unanswered" }
  | { readonly type: "peer.heard" }
  | { readonly type: "place.taken" }
  | { readonly type: "drain.requested" }
  | { readonly type: "session.failed" }
  /** The goodbye is out. */
  | { readonly type: "drain.finished" }
  | { readonly type: "transport.closed" };

/** The codes of `protocol/close-codes` that this machine decides on; a test holds the two equal. */
export const endingCodes = {
  bug: 1011,
  restart: 1012,
  overloaded: 1013,
  badFrame: 4400,
  unauthenticated: 4401,
  forbidden: 4403,
  tooLate: 4408,
  replaced: 4409,
  tooMany: 4429,
} as const;

export const connectionMachine = setup({
  types: {
    context: {} as ConnectionContext,
    events: {} as ConnectionFact,
    tags: {} as "open",
  },
  actions: {
    /** Provided by the runtime: ends the transport as `context.ending` says and frees what the connection held. */
    endConnection: () => {},
    countMissedPing: assign({ missedPings: ({ context }) => context.missedPings + 1 }),
    forgetMissedPings: assign({ missedPings: 0 }),
    endBecause: assign({
      ending: (_, params: Ending): Ending => ({ code: params.code, reason: params.reason }),
    }),
  },
  guards: {
    isLastPing: ({ context }) => context.missedPings + 1 >= maxMissedPings,
  },
}).createMachine({
  id: "connection",
  context: { missedPings: 0, ending: null },
  initial: "authenticating",
  on: {
    "transport.closed": ".closed",
    "session.failed": {
      target: ".closed",
      actions: { type: "endBecause", params: { code: endingCodes.bug, reason: "internal error" } },
    },
    "frame.refused": {
      target: ".closed",
      actions: {
        type: "endBecause",
        params: ({ event }) => ({ code: endingCodes.badFrame, reason: event.reason }),
      },
    },
    "deadline.passed": {
      target: ".closed",
      actions: { type: "endBecause", params: ({ event }) => ({ code: endingCodes.tooLate, reason: event.reason }) },
    },
    "credential.refused": {
      target: ".closed",
      actions: {
        type: "endBecause",
        params: ({ event }) => ({ code: endingCodes.unauthenticated, reason: event.reason }),
      },
    },
    "credential.expired": {
      target: ".closed",
      actions: { type: "endBecause", params: { code: endingCodes.unauthenticated, reason: "token expired" } },
    },
    "credential.revoked": {
      target: ".closed",
      actions: { type: "endBecause", params: { code: endingCodes.unauthenticated, reason: "revoked" } },
    },
    "authority.silent": {
      target: ".closed",
      actions: {
        type: "endBecause",
        params: { code: endingCodes.overloaded, reason: "tokens cannot be verified now" },
      },
    },
    "log.silent": {
      target: ".closed",
      actions: { type: "endBecause", params: { code: endingCodes.overloaded, reason: "the log does not answer now" } },
    },
    "credential.foreign": {
      target: ".closed",
      actions: { type: "endBecause", params: { code: endingCodes.forbidden, reason: "token of another user" } },
    },
    "rate.exceeded": {
      target: ".closed",
      actions: { type: "endBecause", params: ({ event }) => ({ code: endingCodes.tooMany, reason: event.reason }) },
    },
    "place.taken": {
      target: ".closed",
      actions: {
        type: "endBecause",
        params: { code: endingCodes.replaced, reason: "replaced by a newer connection" },
      },
    },
  },
  states: {
    authenticating: {
      tags: "open",
      on: { "session.opened": "ready", "drain.requested": "draining" },
    },
    ready: {
      tags: "open",
      on: {
        "ping.unanswered": [
          {
            guard: "isLastPing",
            target: "closed",
            actions: { type: "endBecause", params: { code: endingCodes.tooLate, reason: "heartbeat missed" } },
          },
          { actions: "countMissedPing" },
        ],
        "peer.heard": { actions: "forgetMissedPings" },
        "drain.requested": "draining",
      },
    },
    draining: {
      tags: "open",
      on: {
        "drain.finished": {
          target: "closed",
          actions: { type: "endBecause", params: { code: endingCodes.restart, reason: "server restarts" } },
        },
      },
    },
    closed: {
      entry: "endConnection",
      // Nothing leads out: whatever comes late is dropped here and not on the root.
      on: {
        "transport.closed": {},
        "session.failed": {},
        "frame.refused": {},
        "deadline.passed": {},
        "credential.refused": {},
        "credential.expired": {},
        "credential.revoked": {},
        "authority.silent": {},
        "log.silent": {},
        "credential.foreign": {},
        "place.taken": {},
        "rate.exceeded": {},
      },
    },
  },
});
