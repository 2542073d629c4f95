/** What `connect` takes, with the defaults. */
import type { HelloFrame, Want } from "../../protocol/frames.ts";
import type { Cursor } from "../../protocol/ids.ts";
import type { CursorStorage } from "./cursor-storage.ts";
import type { WebSocketConstructor } from "./socket.ts";
import type { StartPoint } from "./stream-position.ts";
import { type Random, systemRandom, systemTimers, type Timers } from "./timers.ts";

export interface ConnectOptions {
  /** `https://host`, `https://host/base`, or the socket itself: `wss://host/v1/ws`. A relative one is the page's. */
  readonly url: string;
  /**
   * Asked before every connection and when the token in use runs out. Nothing or "": nobody is logged in, and the
   * client stops. A rejection is tried again later. It travels in the first frame, never in an address.
   */
  readonly token: (ask: TokenRequest) => TokenAnswer | Promise<TokenAnswer>;
  /** Where to begin without a cursor: the folded living runs (default), the start of the log, or only what is new. */
  readonly from?: StartPoint;
  /** Where to begin, when the application has kept the place itself. Goes before `storage`. */
  readonly cursor?: Cursor;
  /** Keeps the place beyond the life of this object; see `cursor-storage`. */
  readonly storage?: CursorStorage;
  /** Stable id of this tab or device, at most 64 characters. */
  readonly device?: string;
  /** Only these threads and types. Runs are folded from what comes: without their lifecycle events, views are poor. */
  readonly want?: Want;
  /** Whether the server may join the deltas of one message when we lag behind. Default true. */
  readonly mergeDeltas?: boolean;
  /**
   * Ask for batches: fewer, larger frames for lines where each one costs. At most so many events (5–20) that wait for each
   * other so long (50–100 ms); fewer and shorter while the line is well. Default: as the server says for this user.
   */
  readonly batch?: HelloFrame["batch"];
  /** False: wait for `start()`. Default true. */
  readonly autoStart?: boolean;
  /** How many runs that are over stay in `runs()`. Default 200. */
  readonly maxEndedRuns?: number;
  /** Another WebSocket than the platform's. */
  readonly WebSocket?: WebSocketConstructor;
  readonly timers?: Timers;
  readonly random?: Random;
}

export interface TokenRequest {
  /** The last one was refused, or is about to run out: a kept one will not do. */
  readonly stale: boolean;
}
export type TokenAnswer = string | null | undefined;

export type HelloOptions = Pick<HelloFrame, "device" | "want" | "mergeDeltas" | "batch">;

const defaultMaxEndedRuns = 200;

export interface Settings {
  readonly WebSocket: WebSocketConstructor;
  readonly timers: Timers;
  readonly random: Random;
  readonly maxEndedRuns: number;
  readonly hello: HelloOptions;
}

/** `Fails` TypeError: there is no WebSocket on this platform, and none was given. */
export function settingsOf(options: ConnectOptions): Settings {
  const { device, want, mergeDeltas, batch } = options;
  const WebSocket = options.WebSocket ?? globalThis.WebSocket;
  if (typeof WebSocket !== "function") throw new TypeError("this platform has no WebSocket: pass one as an option");
  return {
    WebSocket,
    timers: options.timers ?? systemTimers,
    random: options.random ?? systemRandom,
    maxEndedRuns: options.maxEndedRuns ?? defaultMaxEndedRuns,
    hello: {
      ...(device !== undefined && { device }),
      ...(want !== undefined && { want }),
      ...(mergeDeltas !== undefined && { mergeDeltas }),
      ...(batch !== undefined && { batch }),
    },
  };
}
