/**
 * What each expected failure is on the wire: HTTP status, code, details, close code. The table is total by type: a
 * new error does not compile until it has a place here. An answer stays under 2 KB whatever came in.
 */
import type { CloseCode } from "../protocol/close-codes.ts";
import { closeCodes } from "../protocol/close-codes.ts";
import type { ErrorAnswer } from "../protocol/http.ts";
import type { ExpectedError } from "./errors.ts";

export interface Refusal {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly closeCode: CloseCode;
  readonly details?: Readonly<Record<string, unknown>> | undefined;
  /** Milliseconds; the header is in whole seconds, rounded up. */
  readonly retryAfterMs?: number | undefined;
}

export const maxErrorBytes = 2_048;
/** UTF-16 code units of a text in an answer; the shortest that still says something. */
const maxTextChars = 600;
const minTextChars = 60;
const maxLegal = 64;

type Table = { readonly [Tag in ExpectedError["_tag"]]: (error: Extract<ExpectedError, { _tag: Tag }>) => Refusal };

const table: Table = {
  InvalidInput: ({ code, path, message, known }) => ({
    status: 400,
    code,
    message: path === "" ? message : `${path} ${message}`,
    closeCode: closeCodes.badFrame,
    details: known === undefined ? { path } : { path, known },
  }),
  Unauthenticated: ({ message }) => ({
    status: 401,
    code: "unauthenticated",
    message,
    closeCode: closeCodes.unauthenticated,
  }),
  Forbidden: ({ message }) => ({ status: 403, code: "forbidden", message, closeCode: closeCodes.forbidden }),
  NotFound: ({ what }) => ({
    status: 404,
    code: "not_found",
    message: `no such ${what}`,
    closeCode: closeCodes.forbidden,
  }),
  IllegalTransition: ({ index, state, event, legal, message }) => ({
    status: 409,
    code: "illegal_transition",
    message,
    closeCode: closeCodes.badFrame,
    details: { index, state, event, legal: legal.slice(0, maxLegal) },
  }),
  SeqConflict: ({ seq }) => ({
    status: 409,
    code: "seq_conflict",
    message: `the run is at seq ${seq}`,
    closeCode: closeCodes.badFrame,
    details: { seq },
  }),
  Fenced: ({ message }) => ({ status: 409, code: "fenced", message, closeCode: closeCodes.forbidden }),
  RunEnded: ({ state }) => ({
    status: 410,
    code: "run_ended",
    message: `the run has ended: ${state}`,
    closeCode: closeCodes.badFrame,
    details: { state },
  }),
  RunExists: ({ message }) => ({ status: 409, code: "run_exists", message, closeCode: closeCodes.badFrame }),
  KeyConflict: ({ key, seq }) => ({
    status: 409,
    code: "key_conflict",
    message: `the key is known with another body, at seq ${seq}`,
    closeCode: closeCodes.badFrame,
    details: { key, seq },
  }),
  Contaminated: ({ path, message }) => ({
    status: 422,
    code: "contaminated",
    message,
    closeCode: closeCodes.badFrame,
    details: { path },
  }),
  AlreadyResolved: ({ resolution }) => ({
    status: 409,
    code: "already_resolved",
    message: `the approval is resolved: ${resolution.decision}`,
    closeCode: closeCodes.badFrame,
    details: { resolution },
  }),
  FlagsConflict: ({ version, message }) => ({
    status: 409,
    code: "flags_conflict",
    message,
    closeCode: closeCodes.badFrame,
    details: { version },
  }),
  TooLarge: ({ maxBytes }) => ({
    status: 413,
    code: "too_large",
    message: `the body is larger than ${maxBytes} bytes`,
    closeCode: closeCodes.tooBig,
    details: { maxBytes },
  }),
  TooMany: ({ message, retryAfterMs, limit }) => ({
    status: 429,
    code: "too_many",
    message,
    closeCode: closeCodes.tooMany,
    details: { limit, retryAfterMs },
    retryAfterMs,
  }),
  NotAccepting: ({ retryAfterMs }) => ({
    status: 503,
    code: "not_accepting",
    message: "the server takes nothing new now: come back later",
    closeCode: closeCodes.restart,
    retryAfterMs,
  }),
  LogUnavailable: ({ retryAfterMs }) => ({
    status: 503,
    code: "log_unavailable",
    message: "the log did not answer: repeat the call with the same keys to learn what became of it",
    closeCode: closeCodes.overloaded,
    retryAfterMs,
  }),
  LogFull: ({ retryAfterMs }) => ({
    status: 503,
    code: "log_full",
    message: "the log's disk is full: nothing was written; make room on it, then repeat the call",
    closeCode: closeCodes.overloaded,
    retryAfterMs,
  }),
};

/** The refusal of an expected failure. */
export function refusalOf(error: ExpectedError): Refusal {
  // The table's own type says that this entry takes this error; the compiler cannot follow the index.
  const entry = table[error._tag] as (error: ExpectedError) => Refusal;
  return entry(error);
}

/** A bug of ours: nothing of it is told, but under which id the server's log has it. */
export function bugRefusal(requestId: string): Refusal {
  return {
    status: 500,
    code: "internal",
    message: "a bug of the server; its log has it under this id",
    closeCode: closeCodes.bug,
    details: { requestId },
  };
}

function clipped(value: unknown, maxChars: number): unknown {
  if (typeof value === "string") return value.length > maxChars ? `${value.slice(0, maxChars).toWellFormed()}…` : value;
  if (Array.isArray(value)) return value.map((item) => clipped(item, maxChars));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, clipped(item, maxChars)]));
}

/** The body of an error answer, as JSON text of at most `maxErrorBytes`. */
export function errorBody(refusal: Refusal): string {
  const { code, message, details } = refusal;
  for (let maxChars = maxTextChars; ; maxChars = Math.floor(maxChars / 2)) {
    const tight = maxChars < minTextChars;
    const answer: ErrorAnswer = {
      error: {
        code,
        message: String(clipped(message, maxChars)),
        ...(details === undefined || tight ? {} : { details: Object.fromEntries(clippedEntries(details, maxChars)) }),
      },
    };
    const text = JSON.stringify(answer);
    if (tight || Buffer.byteLength(text) <= maxErrorBytes) return text;
  }
}

function clippedEntries(details: Readonly<Record<string, unknown>>, maxChars: number): [string, unknown][] {
  return Object.entries(details).map(([key, value]) => [key, clipped(value, maxChars)]);
}
