/**
 * What a publisher's call rejects with: the expected errors of the embedded API, by the same tags and fields, and
 * what is known about the outcome. A test holds them equal to `src/errors`; Effect, which those are made of, is not
 * loaded here.
 */
import type { EventInput, EventType } from "../../protocol/event.ts";
import type { Seq } from "../../protocol/ids.ts";
import type { RunState } from "../../protocol/run-view.ts";

/**
 * `refused`: nothing of the call was written, and repeating it as it is will not help, or not now. `unknown`: it may
 * have been written or not; the same call with the same keys settles it.
 */
export type Outcome = "refused" | "unknown";

export abstract class PublishFailure extends Error {
  abstract readonly _tag: string;
  outcome: Outcome = "refused";
  /** An earlier try of the same call had no answer. */
  isRepeated = false;
  /** Of the answer, when there was one. */
  status: number | undefined;
  /** The events of the call, each with its key: emit them again to learn what became of them. */
  events: readonly EventInput[] | undefined;
  readonly #fields: Fields;

  constructor(fields: Fields) {
    super(fields.message);
    this.#fields = fields;
    Object.assign(this, fields);
  }

  /** The same, with other fields: each call that shares a request rejects with its own. */
  copy(changes: Fields = {}): PublishFailure {
    // Of the class that was thrown: `instanceof` must hold for the copy too.
    const Made = this.constructor as new (fields: Fields) => PublishFailure;
    const copy = new Made({ ...this.#fields, message: this.message, ...changes });
    const { outcome, isRepeated, status } = this;
    return Object.assign(copy, { outcome, isRepeated, status });
  }
}

interface Fields {
  readonly message?: string;
  readonly [field: string]: unknown;
}

function tagged<Tag extends string>(tag: Tag) {
  class Failure extends PublishFailure {
    readonly _tag = tag;
    override readonly name = tag;
  }
  // The fields are there, by the constructor above; a class cannot say that of its own type parameter.
  return Failure as unknown as new <Own extends object>(
    fields: Own,
  ) => PublishFailure & {
    readonly _tag: Tag;
  } & Readonly<Own>;
}

/** The input is malformed. */
export class InvalidInput extends tagged("InvalidInput")<{
  readonly code: "invalid" | "invalid_event";
  readonly path: string;
  readonly message: string;
}> {}

/** The server does not know this API key. */
export class Unauthenticated extends tagged("Unauthenticated")<{ readonly message: string }> {}

/** The key may not do this. */
export class Forbidden extends tagged("Forbidden")<{ readonly message: string }> {}

/** Unknown, or of a tenant that the key is not bound to: the answer never tells which. */
export class NotFound extends tagged("NotFound")<{ readonly what: "run" | "approval" | "route"; message: string }> {}

/** The run machine refuses this event now. */
export class IllegalTransition extends tagged("IllegalTransition")<{
  /** Position in the call, from 0. */
  readonly index: number;
  readonly state: RunState;
  readonly event: EventType;
  /** Every type that would be legal now. */
  readonly legal: readonly string[];
  readonly message: string;
}> {}

export class SeqConflict extends tagged("SeqConflict")<{ readonly seq: Seq; readonly message: string }> {}

/** Another runner holds the run: a newer fence exists. */
export class Fenced extends tagged("Fenced")<{ readonly message: string }> {}

export class RunEnded extends tagged("RunEnded")<{ readonly state: RunState; readonly message: string }> {}

/** The run exists, made by another body. */
export class RunExists extends tagged("RunExists")<{ readonly message: string }> {}

/** A known key with another body: the first wins. */
export class KeyConflict extends tagged("KeyConflict")<{
  readonly key: string;
  readonly seq: Seq;
  readonly message: string;
}> {}

/** The payload names somebody else as its receiver. */
export class Contaminated extends tagged("Contaminated")<{ readonly path: string; readonly message: string }> {}

export class AlreadyResolved extends tagged("AlreadyResolved")<{
  readonly resolution: { readonly decision: "approve" | "deny"; readonly by?: string | undefined };
  readonly message: string;
}> {}

export class TooLarge extends tagged("TooLarge")<{ readonly maxBytes: number; readonly message: string }> {}

export class TooMany extends tagged("TooMany")<{ readonly message: string; readonly retryAfterMs: number }> {}

/** Starting or draining: come back. */
export class NotAccepting extends tagged("NotAccepting")<{ readonly retryAfterMs: number; readonly message: string }> {}

/** The log, or the way to it, did not answer: a retry with the same keys settles it. */
export class LogUnavailable extends tagged("LogUnavailable")<{
  readonly message: string;
  readonly retryAfterMs: number;
  /** What the platform said, as text: name, code, message. */
  readonly cause?: unknown;
}> {
  override outcome: Outcome = "unknown";
}

/** No room for it: nothing was written. */
export class LogFull extends tagged("LogFull")<{ readonly message: string; readonly retryAfterMs: number }> {}

/** An answer that no Runcast gives: a proxy's page, a redirect, another service. */
export class UnexpectedAnswer extends tagged("UnexpectedAnswer")<{ readonly message: string }> {}

/** An option that cannot be used. */
export class InvalidConfig extends tagged("InvalidConfig")<{ readonly setting: string; readonly message: string }> {}
