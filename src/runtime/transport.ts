/**
 * A connection's way out: PORT. The gateway implements it over WebSocket and SSE, a test over an array.
 *
 * L12: only the supervisor holds a `BroadcastAuthority`, and nothing can be written without one. The class has a
 * private constructor and its one instance is minted by `mintAuthority`, which the linter lets only
 * `runtime/supervisor` import.
 */

export class BroadcastAuthority {
  // A private field makes the type nominal: no object literal passes for it.
  readonly #minted = true;
  private constructor() {}
  /** @internal See the header: for `runtime/supervisor` alone. */
  static mintAuthority(): BroadcastAuthority {
    return new BroadcastAuthority();
  }
  get isMinted(): boolean {
    return this.#minted;
  }
  /** Whether it is one, whatever the compiler was made to believe. */
  static isOne(value: unknown): boolean {
    return typeof value === "object" && value !== null && #minted in value;
  }
}

/** What a transport asks before a byte leaves. Fails: throws `TypeError` for what no supervisor holds. */
export function requireAuthority(authority: BroadcastAuthority): void {
  if (!BroadcastAuthority.isOne(authority)) throw new TypeError("only the supervisor writes to a transport (L12)");
}

/** A frame as bytes, encoded once for everybody who gets it. */
export interface EncodedFrame {
  /** The frame's `type`: the SSE event name. */
  readonly name: string;
  /** UTF-8 JSON. */
  readonly bytes: Uint8Array;
  /** For frames of the stream: the last offset covered; with the epoch, the SSE id. */
  readonly upto?: number | undefined;
}

export interface Transport {
  readonly kind: "websocket" | "sse";
  /** Hands one frame over. False: the transport is gone and took nothing. */
  write(authority: BroadcastAuthority, frame: EncodedFrame): boolean;
  /** Bytes handed over that the network has not taken yet. */
  readonly bufferedBytes: number;
  /** Ends the connection; `code` as in `protocol/close-codes`. Idempotent. */
  close(authority: BroadcastAuthority, code: number, reason: string): void;
  /** A protocol-level ping, where there is one. */
  ping(authority: BroadcastAuthority): void;
}
