/**
 * The answer to a publish, made only when somebody asks for it. Most of what an agent says is never awaited, and a
 * promise for each token would cost more than the token; nor may a refusal that nobody waits for end the process.
 *
 * To its reader it is a promise: `await`, `then`, `Promise.all` and the rest work as ever.
 */
import type { PublishAnswer } from "../../protocol/http.ts";

export class Receipt implements Promise<PublishAnswer> {
  readonly [Symbol.toStringTag] = "Receipt";
  private readonly make: () => Promise<PublishAnswer>;
  private made: Promise<PublishAnswer> | undefined;

  /** `make` is called once, when the first reader comes. */
  constructor(make: () => Promise<PublishAnswer>) {
    this.make = make;
  }

  static refused(cause: unknown): Receipt {
    return new Receipt(() => Promise.reject(cause));
  }

  // oxlint-disable-next-line unicorn/no-thenable -- it is a promise in all but its price.
  then<Value = PublishAnswer, Other = never>(
    onAnswer?: ((answer: PublishAnswer) => Value | PromiseLike<Value>) | null,
    onRefusal?: ((cause: unknown) => Other | PromiseLike<Other>) | null,
  ): Promise<Value | Other> {
    this.made ??= this.make();
    return this.made.then(onAnswer, onRefusal);
  }

  catch<Other = never>(
    onRefusal?: ((cause: unknown) => Other | PromiseLike<Other>) | null,
  ): Promise<PublishAnswer | Other> {
    return this.then(null, onRefusal);
  }

  finally(onSettled?: (() => void) | null): Promise<PublishAnswer> {
    return this.then(null).finally(onSettled);
  }
}
