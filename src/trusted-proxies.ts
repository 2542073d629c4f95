/** Which proxies' word about a client's address is taken: the setting and the option, checked before anything starts. */
import type { BlockList } from "node:net";
import * as Effect from "effect/Effect";
import { InvalidConfig } from "./errors.ts";
import { addressList } from "./gateway/client-address.ts";

export const trustedProxiesRight = "addresses or blocks like 10.0.0.0/8, separated by commas";

/** Nothing said: none. Fails: `InvalidConfig`. */
export function trustedProxiesOf(
  given: string | BlockList | undefined,
  called: string,
): Effect.Effect<BlockList | undefined, InvalidConfig> {
  if (typeof given !== "string") return Effect.succeed(given);
  if (given === "") return Effect.succeed(undefined);
  const list = addressList(given);
  return list === undefined
    ? Effect.fail(new InvalidConfig({ setting: called, message: `must be ${trustedProxiesRight}` }))
    : Effect.succeed(list);
}
