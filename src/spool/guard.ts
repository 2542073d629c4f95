/** A breaker, as the spool and the log are called through it: `runtime/breakers` has the real one. */
export interface Guard {
  readonly state: "closed" | "open" | "halfOpen";
  /** Whether a call would pass now. */
  readonly lets: boolean;
  /** Undefined: not now. */
  enter(): Passage | undefined;
}

export interface Passage {
  succeeded(): void;
  failed(): void;
}

/** The call was not made. */
export class NotLetThrough extends Error {}

/** Makes a call through its breaker. Fails: `NotLetThrough` without calling; else as the call does. */
export async function through<Value>(
  guard: Guard,
  call: () => Promise<Value>,
  isFailure: (cause: unknown) => boolean = () => true,
): Promise<Value> {
  const passage = guard.enter();
  if (passage === undefined) throw new NotLetThrough("its breaker is open");
  try {
    const value = await call();
    passage.succeeded();
    return value;
  } catch (cause) {
    if (isFailure(cause)) passage.failed();
    else passage.succeeded();
    throw cause;
  }
}
