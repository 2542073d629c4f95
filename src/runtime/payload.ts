/** An event as it will be stored: its JSON text, made once, and held against the isolation rule (L8). */
import type { EventInput } from "../../protocol/event.ts";
import type { UserId } from "../../protocol/ids.ts";
import { parseTrusted } from "../../protocol/json.ts";
import { IllegalTransition, InvalidInput } from "../errors.ts";
import type { PayloadPolicy } from "./contamination.ts";
import { isolated } from "./contamination.ts";
import { eventDigest } from "./digest.ts";

export interface Prepared {
  readonly event: EventInput;
  readonly text: string;
  /** Of what the publisher said, for events with a key. */
  readonly digest: string | undefined;
}

/**
 * Prepares the event at `index` of a batch for `owner`'s stream.
 *
 * Fails: throws `InvalidInput` for what is not JSON, `Contaminated` for a payload that names somebody else.
 */
export function prepare(event: EventInput, index: number, owner: UserId, policy: PayloadPolicy): Prepared {
  const said = jsonText(event, index);
  const text = isolated(said, owner, () => `events[${index}].data`, policy);
  const kept = text === said ? event : ({ ...event, data: parseTrusted(text) } as EventInput);
  return { event: kept, text, digest: event.key === undefined ? undefined : eventDigest(event.type, event.data) };
}

function jsonText(event: EventInput, index: number): string {
  try {
    return JSON.stringify(event.data);
  } catch {
    throw new InvalidInput({ code: "invalid_event", path: `events[${index}].data`, message: "is not JSON" });
  }
}

/** Known events were not judged again, but the caller counts them. */
export function inWholeBatch(
  verdict: IllegalTransition,
  fresh: readonly Prepared[],
  prepared: readonly Prepared[],
): IllegalTransition {
  const judged = fresh[verdict.index];
  if (fresh === prepared || judged === undefined) return verdict;
  const { state, event, legal, message } = verdict;
  return new IllegalTransition({ index: prepared.indexOf(judged), state, event, legal, message });
}
