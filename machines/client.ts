/**
 * The browser client's one connection (LESSONS 36, 37): when it asks for a token, opens a socket, waits, gives up.
 * `src/client` does what the state says and tells it what happened; the duty after a close comes with the fact.
 *
 * | state | what the owner does there |
 * |---|---|
 * | `idle` | nothing: not asked to connect yet |
 * | `authorizing` | asks its token callback |
 * | `connecting` | opens the socket |
 * | `helloSent` | has sent `hello`, awaits `welcome` (and closes the socket if it does not come) |
 * | `live` | takes frames |
 * | `waiting` | lets `retryAfterMs` + random × `backoffCeilingMs(context)` pass, then says `backoff.passed` |
 * | `offline` | nothing: the network is known to be gone |
 * | `stopped` | nothing; `context.stopped` says why; `start.requested` begins anew |
 *
 * Only states with the tag `socket` have one: the owner closes a socket that is left over and reports nothing of it.
 */
import { assign, type SnapshotFrom, setup } from "xstate";
import type { CloseDuty } from "../protocol/close-codes.ts";

export interface ClientContext {
  /** Attempts since the last connection that held, for the back-off. */
  readonly attempt: number;
  readonly baseBackoffMs: number;
  readonly maxBackoffMs: number;
  /** The least wait that the server asked for; 0 without a wish. */
  readonly retryAfterMs: number;
  /** The last token was refused, or has run out: the callback must bring a new one. */
  readonly tokenStale: boolean;
  /** What the browser says of the network: a hint, as it may be wrong. */
  readonly online: boolean;
  /** Tokens in a row that the server refused. */
  readonly refusals: number;
  /** The code of the last close. */
  readonly closeCode: number | null;
  /** Why it stopped: asked to, no token to be had, or a close that coming back cannot heal. */
  readonly stopped: "requested" | "unauthenticated" | "refused" | null;
}

export type ClientFact =
  | { readonly type: "start.requested" }
  | { readonly type: "stop.requested" }
  | { readonly type: "token.received" }
  /** The callback has no token: nobody is logged in. Coming back does not help. */
  | { readonly type: "token.refused" }
  /** The callback failed, which may pass: its network, its server. */
  | { readonly type: "token.failed" }
  | { readonly type: "socket.opened" }
  | { readonly type: "welcome.received" }
  /** It has been live for long enough to be a good connection. */
  | { readonly type: "connection.settled" }
  /** The server says that it will close, and when to come back. */
  | { readonly type: "goodbye.received"; readonly retryAfterMs: number }
  /** `duty` is `dutyAfter(code)`. A socket that could not be opened has code 1006. */
  | {
      readonly type: "socket.closed";
      readonly code: number;
      readonly duty: CloseDuty;
    }
  | { readonly type: "backoff.passed" }
  | { readonly type: "network.online" }
  | { readonly type: "network.offline" }
  /** Somebody looks at the page again. */
  | { readonly type: "page.visible" };

const defaultBaseBackoffMs = 500;
const defaultMaxBackoffMs = 30_000;
/** The first may have been a kept token that was too old; the second was new. */
const maxRefusals = 2;

/** The longest wait before this attempt; the owner takes a random part of it (full jitter). Units: ms. */
export function backoffCeilingMs({ attempt, baseBackoffMs, maxBackoffMs }: ClientContext): number {
  return Math.min(maxBackoffMs, baseBackoffMs * 2 ** Math.max(0, attempt - 1));
}

const stop = { target: ".stopped", actions: { type: "stop", params: { because: "requested" } } } as const;

/** A socket that closed, from any state that has or wants one. */
const closed = [
  {
    guard: "isFinal",
    target: "stopped",
    actions: ["noteClose", { type: "stop", params: { because: "refused" } }],
  },
  { guard: "isOffline", target: "offline", actions: ["noteClose", "countAttempt"] },
  { target: "waiting", actions: ["noteClose", "countAttempt"] },
] as const;

/** The network is gone while nothing is live: whatever was begun is dropped. */
const dropped = { target: "offline", actions: "goOffline" } as const;

export const clientMachine = setup({
  types: {
    context: {} as ClientContext,
    events: {} as ClientFact,
    input: {} as { readonly baseBackoffMs?: number; readonly maxBackoffMs?: number } | undefined,
    tags: {} as "socket",
  },
  guards: {
    isFinal: ({ event }) => event.type === "socket.closed" && event.duty === "stop",
    needsTokenAtOnce: ({ context, event }) =>
      event.type === "socket.closed" && event.duty === "refresh-token" && context.attempt === 0,
    isLastRefusal: ({ context, event }) =>
      event.type === "socket.closed" && event.duty === "refresh-token" && context.refusals + 1 >= maxRefusals,
    isOffline: ({ context }) => !context.online,
  },
  actions: {
    noteClose: assign(({ event }) =>
      event.type === "socket.closed"
        ? { closeCode: event.code, ...(event.duty === "refresh-token" && { tokenStale: true }) }
        : {},
    ),
    countAttempt: assign({ attempt: ({ context }) => context.attempt + 1 }),
    noteToken: assign({ tokenStale: false }),
    noteRefusal: assign(({ context, event }) =>
      event.type === "socket.closed" && event.duty === "refresh-token" ? { refusals: context.refusals + 1 } : {},
    ),
    noteWelcome: assign({ retryAfterMs: 0, refusals: 0 }),
    // Not at the welcome: a server that welcomes and then closes at once must not be hammered.
    noteSettled: assign({ attempt: 0 }),
    noteGoodbye: assign(({ event }) =>
      event.type === "goodbye.received" ? { retryAfterMs: Math.max(0, event.retryAfterMs) } : {},
    ),
    goOnline: assign({ online: true }),
    goOffline: assign({ online: false }),
    stop: assign({ stopped: (_, { because }: { readonly because: NonNullable<ClientContext["stopped"]> }) => because }),
    begin: assign({ attempt: 0, retryAfterMs: 0, refusals: 0, closeCode: null, stopped: null }),
  },
}).createMachine({
  id: "client",
  context: ({ input }) => ({
    attempt: 0,
    baseBackoffMs: input?.baseBackoffMs ?? defaultBaseBackoffMs,
    maxBackoffMs: input?.maxBackoffMs ?? defaultMaxBackoffMs,
    retryAfterMs: 0,
    tokenStale: false,
    refusals: 0,
    online: true,
    closeCode: null,
    stopped: null,
  }),
  initial: "idle",
  on: {
    "stop.requested": stop,
    "network.online": { actions: "goOnline" },
    "network.offline": { actions: "goOffline" },
  },
  states: {
    idle: { on: { "start.requested": { target: "authorizing", actions: "begin" } } },
    authorizing: {
      on: {
        "token.received": { target: "connecting", actions: "noteToken" },
        "token.refused": { target: "stopped", actions: { type: "stop", params: { because: "unauthenticated" } } },
        "token.failed": [
          { guard: "isOffline", target: "offline", actions: "countAttempt" },
          { target: "waiting", actions: "countAttempt" },
        ],
        "network.offline": dropped,
      },
    },
    connecting: {
      tags: "socket",
      on: { "socket.opened": "helloSent", "socket.closed": closed, "network.offline": dropped },
    },
    helloSent: {
      tags: "socket",
      on: {
        "welcome.received": { target: "live", actions: "noteWelcome" },
        "goodbye.received": { actions: "noteGoodbye" },
        "socket.closed": [
          {
            guard: "isLastRefusal",
            target: "stopped",
            actions: ["noteClose", { type: "stop", params: { because: "unauthenticated" } }],
          },
          ...closed.map((ending) => ({ ...ending, actions: ["noteRefusal", ...ending.actions] as const })),
        ],
        "network.offline": dropped,
      },
    },
    live: {
      tags: "socket",
      on: {
        "connection.settled": { actions: "noteSettled" },
        "goodbye.received": { actions: "noteGoodbye" },
        // At once, but not twice in a row: a server that takes a token for a moment must not be hammered.
        "socket.closed": [
          { guard: "needsTokenAtOnce", target: "authorizing", actions: ["noteClose", "countAttempt"] },
          ...closed,
        ],
        // `network.offline` is a hint: the heartbeat says when the socket is dead.
      },
    },
    waiting: {
      on: {
        "backoff.passed": "authorizing",
        "network.online": { target: "authorizing", actions: "goOnline" },
        "page.visible": "authorizing",
        "network.offline": dropped,
      },
    },
    offline: {
      on: {
        "network.online": { target: "authorizing", actions: "goOnline" },
        // The hint may be wrong, and somebody is waiting.
        "page.visible": "authorizing",
      },
    },
    stopped: {
      // A stop that comes late finds the first reason and leaves it.
      on: { "start.requested": { target: "authorizing", actions: "begin" }, "stop.requested": {} },
    },
  },
});

export type ClientSnapshot = SnapshotFrom<typeof clientMachine>;
export type ClientState = ClientSnapshot["value"];
