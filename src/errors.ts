/**
 * Every failure that a caller must expect, each with what its answer carries in `details`. `refusal` maps them
 * to close codes and HTTP statuses and does not compile until a new one has a place there.
 */
import * as Data from "effect/Data";
import type { EventType } from "../protocol/event.ts";
import type { Offset, Seq } from "../protocol/ids.ts";
import type { RunState } from "../protocol/run-view.ts";
import type { AuthFailureReason } from "./auth/auth-failure.ts";

/** The input is malformed. */
export class InvalidInput extends Data.TaggedError("InvalidInput")<{
  readonly code: "invalid" | "invalid_event";
  readonly path: string;
  readonly message: string;
  /** Every name that would be right. */
  readonly known?: readonly string[] | undefined;
}> {}

/** No credential, or one that does not hold. */
export class Unauthenticated extends Data.TaggedError("Unauthenticated")<{
  readonly message: string;
  /** For the audit log; never answered. Default: it was not accepted. */
  readonly reason?: AuthFailureReason;
}> {}

/** A good credential that may not do this. */
export class Forbidden extends Data.TaggedError("Forbidden")<{
  readonly message: string;
  /** For the audit log; never answered. */
  readonly reason?: AuthFailureReason;
}> {}

/** Unknown or not yours: the answer never tells which. */
export class NotFound extends Data.TaggedError("NotFound")<{
  readonly what: "run" | "approval" | "connection" | "route" | "breaker" | "push key" | "event";
}> {}

/** The run machine refuses this event now. */
export class IllegalTransition extends Data.TaggedError("IllegalTransition")<{
  /** Position in the batch, from 0. */
  readonly index: number;
  readonly state: RunState;
  readonly event: EventType;
  /** Every type that would be legal now. */
  readonly legal: readonly string[];
  readonly message: string;
}> {}

export class SeqConflict extends Data.TaggedError("SeqConflict")<{ readonly seq: Seq }> {}

/** Another runner holds the run: a newer fence exists. */
export class Fenced extends Data.TaggedError("Fenced")<{ readonly message: string }> {}

export class RunEnded extends Data.TaggedError("RunEnded")<{ readonly state: RunState }> {}

/**
 * Events behind the cursor are not kept any more, or it is beyond the head: begin after `first - 1`. Only code in the
 * server's process meets it; on the wire it is a `gap`.
 */
export class CursorExpired extends Data.TaggedError("CursorExpired")<{
  readonly reason: "retention" | "ahead";
  readonly first: Offset;
  readonly head: Offset;
  readonly message: string;
}> {}

/** The run exists, made by another body. */
export class RunExists extends Data.TaggedError("RunExists")<{ readonly message: string }> {}

/** A known key with another body: the first wins. */
export class KeyConflict extends Data.TaggedError("KeyConflict")<{ readonly key: string; readonly seq: Seq }> {}

/** The payload names somebody else as its receiver. */
export class Contaminated extends Data.TaggedError("Contaminated")<{
  readonly path: string;
  readonly message: string;
}> {}

export class AlreadyResolved extends Data.TaggedError("AlreadyResolved")<{
  readonly resolution: { readonly decision: "approve" | "deny"; readonly by?: string | undefined };
}> {}

/** The flags stand at another version, or there is nothing before it. */
export class FlagsConflict extends Data.TaggedError("FlagsConflict")<{
  readonly version: number;
  readonly message: string;
}> {}

export class TooLarge extends Data.TaggedError("TooLarge")<{ readonly maxBytes: number }> {}

/** Above a limit: nothing was done. */
export class TooMany extends Data.TaggedError("TooMany")<{
  readonly message: string;
  readonly retryAfterMs: number;
  /** Which one; the page on operations lists them. */
  readonly limit?: string | undefined;
}> {}

/** Starting or draining: come back. */
export class NotAccepting extends Data.TaggedError("NotAccepting")<{ readonly retryAfterMs: number }> {}

/** The log did not answer: the outcome is unknown, a retry with the same keys settles it. */
export class LogUnavailable extends Data.TaggedError("LogUnavailable")<{
  readonly message: string;
  readonly retryAfterMs: number;
  readonly cause?: unknown;
}> {}

/** No room for it: nothing was written. */
export class LogFull extends Data.TaggedError("LogFull")<{
  readonly message: string;
  readonly retryAfterMs: number;
}> {}

/** A setting that cannot be used. */
export class InvalidConfig extends Data.TaggedError("InvalidConfig")<{
  readonly setting: string;
  readonly message: string;
}> {}

export type ExpectedError =
  | InvalidInput
  | Unauthenticated
  | Forbidden
  | NotFound
  | IllegalTransition
  | SeqConflict
  | Fenced
  | RunEnded
  | RunExists
  | KeyConflict
  | Contaminated
  | AlreadyResolved
  | FlagsConflict
  | TooLarge
  | TooMany
  | NotAccepting
  | LogUnavailable
  | LogFull;

const expectedErrors = [
  InvalidInput,
  Unauthenticated,
  Forbidden,
  NotFound,
  IllegalTransition,
  SeqConflict,
  Fenced,
  RunEnded,
  RunExists,
  KeyConflict,
  Contaminated,
  AlreadyResolved,
  FlagsConflict,
  TooLarge,
  TooMany,
  NotAccepting,
  LogUnavailable,
  LogFull,
] as const;

/** Whether a thrown value is an answer to the caller, and not a bug of ours. */
export function isExpected(cause: unknown): cause is ExpectedError {
  return expectedErrors.some((kind) => cause instanceof kind);
}
