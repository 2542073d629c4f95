/**
 * Every way a connection ends. The range tells the client its duty: 1000–1999 is the transport's word,
 * 4400–4499 the contract's, named after the HTTP status that the same reason has before the upgrade.
 */
export const closeCodes = {
  /** Either side is done. */
  done: 1000,
  /** A text frame that is not UTF-8. */
  notUtf8: 1007,
  /** A frame over the size limit. */
  tooBig: 1009,
  /** A bug of ours: it is in the server's log under the connection id. */
  bug: 1011,
  /** The server restarts: come back after `retryAfterMs`, with jitter. */
  restart: 1012,
  /** The server is overloaded: come back later. */
  overloaded: 1013,
  /** A frame that the contract does not know. */
  badFrame: 4400,
  /** No credential, a bad one, or one that has expired: get a new token. */
  unauthenticated: 4401,
  /** A good credential that may not do this. */
  forbidden: 4403,
  /** `hello`, `confirm` or a heartbeat came too late. */
  tooLate: 4408,
  /** More connections than the tier allows: the oldest goes. */
  replaced: 4409,
  /** A protocol version that the server does not speak. */
  version: 4426,
  /** Too many frames. */
  tooMany: 4429,
} as const;

export type CloseReason = keyof typeof closeCodes;
export type CloseCode = (typeof closeCodes)[CloseReason];

/** What a client must do after a close. */
export type CloseDuty = "stop" | "reconnect" | "refresh-token";

/** Codes that a client cannot heal by coming back. */
const finalCodes: ReadonlySet<number> = new Set([
  closeCodes.done,
  closeCodes.notUtf8,
  closeCodes.badFrame,
  closeCodes.forbidden,
  closeCodes.replaced,
  closeCodes.version,
  closeCodes.tooBig,
]);

/** The client's duty after `code`; an unknown code is a broken network: come back. */
export function dutyAfter(code: number): CloseDuty {
  if (code === closeCodes.unauthenticated) return "refresh-token";
  return finalCodes.has(code) ? "stop" : "reconnect";
}

/** The user may not read on: also not what is on the way to them. */
export const isAccessOver = (code: number): boolean =>
  code === closeCodes.unauthenticated || code === closeCodes.forbidden;
