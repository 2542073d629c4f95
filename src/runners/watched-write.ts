/**
 * A write that knows whether anybody looks at it. What an agent says need not be awaited, and a refusal that nobody
 * hears must neither end the process nor be lost: the runner asks here, and the run ends as failed.
 *
 * To its reader it is a promise: `await`, `then`, `Promise.all` and the rest work as ever.
 */
export class WatchedWrite implements Promise<void> {
  readonly [Symbol.toStringTag] = "WatchedWrite";
  /** Settles with the write and never rejects. */
  readonly settled: Promise<void>;
  private readonly outcome: Promise<void>;
  private isSeen = false;
  private isDone = false;
  private refusal: { readonly error: unknown } | undefined;

  constructor(write: Promise<unknown>) {
    this.outcome = write.then(() => {
      this.isDone = true;
    });
    this.settled = this.outcome.catch((error: unknown) => {
      this.refusal = { error };
    });
  }

  /** Durable. */
  get isWritten(): boolean {
    return this.isDone;
  }

  /** Once settled: the refusal that nobody has heard of. */
  get unheard(): { readonly error: unknown } | undefined {
    return this.isSeen ? undefined : this.refusal;
  }

  // oxlint-disable-next-line unicorn/no-thenable -- it is a promise in all but this: it knows its readers.
  then<Value = void, Other = never>(
    onDone?: ((done: void) => Value | PromiseLike<Value>) | null,
    onRefusal?: ((cause: unknown) => Other | PromiseLike<Other>) | null,
  ): Promise<Value | Other> {
    this.isSeen = true;
    return this.outcome.then(onDone, onRefusal);
  }

  catch<Other = never>(onRefusal?: ((cause: unknown) => Other | PromiseLike<Other>) | null): Promise<void | Other> {
    return this.then(null, onRefusal);
  }

  finally(onSettled?: (() => void) | null): Promise<void> {
    return this.then(null).finally(onSettled);
  }
}
