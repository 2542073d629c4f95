/**
 * Why a notice or an alert was not taken by the other side. What it says is shown to operators and written down: it
 * names codes and statuses, never an address, a token, a URL, or what the other side answered.
 */
export type NotTakenReason =
  /** The call was not made: the target is one that may not be called. */
  | "target"
  /** The other side is well, and does not take this address. */
  | "address"
  /** The other side answered, and did not take it. */
  | "answer"
  /** No answer: what became of it is unknown. */
  | "call"
  /** The caller gave up before there was an answer. */
  | "aborted"
  /** Where the user can be reached could not be read. */
  | "contacts";

export class NotTaken extends Error {
  override readonly name = "NotTaken";
  /** Its words are ours: the journal shows them. */
  readonly _tag = "NotTaken";
  readonly reason: NotTakenReason;
  constructor(reason: NotTakenReason, message: string) {
    super(message);
    this.reason = reason;
  }
}

/**
 * Whether this failure speaks against the channel, as its breaker counts, and not against one user's address or the
 * operator's configuration: nobody may silence a channel for all by giving it a bad address.
 */
export const speaksAgainstChannel = (cause: unknown): boolean =>
  !(cause instanceof NotTaken) || cause.reason === "answer" || cause.reason === "call";
