/**
 * The spool: PORT. An ordered, durable queue of texts for one store and one process, where events wait while the log takes
 * none. `spooled-log` fills it, and empties it into the log; `file` and `redis` keep it.
 *
 * The laws that every adapter keeps (`test/spool/spool-contract` holds both to it):
 * - an append is all or nothing, and its promise resolves when it is durable (L6);
 * - texts come back in the order in which they were appended, also after a crash; what an append that failed has left
 *   behind never stands between them;
 * - two processes never share one: who opens it second is refused, or takes it over for good.
 */
export interface Spool {
  /**
   * Behind what is there. Without texts: proves that what was acknowledged is still there, and nothing else.
   *
   * Fails: `SpoolLost`, or any error.
   */
  append(texts: readonly string[]): Promise<void>;
  /** What stood in it when it was opened, from the oldest. Asked once, before the first append. */
  entries(): AsyncIterable<string>;
  /**
   * Takes the `count` oldest away. They may be there again when it is opened the next time, in front of the rest and in
   * their order: whoever takes them up knows what has landed.
   */
  remove(count: number): Promise<void>;
  close(): Promise<void>;
}

/**
 * The spool answers, and what it had acknowledged is not there any more: it was restarted empty, or another node took over.
 * From here on it counts as empty; whoever still has the texts appends them again.
 */
export class SpoolLost extends Error {
  constructor(message: string) {
    super(message);
    this.name = "SpoolLost";
  }
}
