/** How the runtime's calls become answers: what they throw is a refusal to the caller, or a bug of ours. */
import * as Effect from "effect/Effect";
import type { ExpectedError } from "../errors.ts";
import { isExpected } from "../errors.ts";

/** Runs a call; what it throws is an answer to the caller or a defect. */
export function answer<Value>(call: () => Value | Promise<Value>): Effect.Effect<Value, ExpectedError> {
  return Effect.tryPromise({ try: async () => call(), catch: (cause) => cause }).pipe(
    Effect.catch((cause) => (isExpected(cause) ? Effect.fail(cause) : Effect.die(cause))),
  );
}
