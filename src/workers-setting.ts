/** `RUNCAST_WORKERS`: how many processes share the port of one `serve`. More than one need a store that they can share. */
import { availableParallelism } from "node:os";
import * as Effect from "effect/Effect";
import type { Setting, StoreSetting } from "./config-values.ts";
import { isSharedStore, wholeNumber, wrong } from "./config-values.ts";
import { InvalidConfig } from "./errors.ts";

/** More than any machine has use for: a typing mistake must not fork without end. */
const maxWorkers = 256;
export const workersRight = `1 to ${maxWorkers}; 0 or auto: one for each core`;

/** Fails: `InvalidConfig` for what is no number of workers, and where one process owns the store. */
export function workersOf(
  { text, called }: { readonly text: string; readonly called: string },
  setting: Setting,
  store: StoreSetting,
): Effect.Effect<number, InvalidConfig> {
  const asked = text === "auto" ? 0 : wholeNumber(0, maxWorkers)(text);
  if (asked === undefined) return Effect.fail(wrong(setting, called, text));
  if (asked !== 1 && !isSharedStore(store))
    return Effect.fail(
      new InvalidConfig({
        setting: called,
        message: `is ${text}, and RUNCAST_STORE is ${store.kind}:, which one process owns; right is 1, or a store that processes share (postgres://, redis://)`,
      }),
    );
  return Effect.succeed(asked === 0 ? availableParallelism() : asked);
}
