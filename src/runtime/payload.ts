/**
 * Payloads as they will be stored: JSON text, made once, that every reader can read, and held against the isolation
 * rule (L8). What came over HTTP is JSON by birth; what code handed in is whatever it says when it is asked.
 */
import type { EventInput } from "../../protocol/event.ts";
import { payloadLimits, parseTrusted, whyUnreadable } from "../../protocol/json.ts";
import { IllegalTransition, InvalidInput } from "../errors.ts";
import type { Owner, PayloadPolicy } from "./contamination.ts";
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
 * Fails: throws `InvalidInput` for what is no JSON object or what no client would read, `Contaminated` for a payload
 * that names somebody else.
 */
export function prepare(event: EventInput, index: number, owner: Owner, policy: PayloadPolicy): Prepared {
  const at = (): string => `events[${index}].data`;
  const said = textOfObject(event.data, at, "invalid_event");
  const text = isolated(said, owner, at, policy);
  const kept = text === said ? event : ({ ...event, data: parseTrusted(text) } as EventInput);
  return { event: kept, text, digest: event.key === undefined ? undefined : eventDigest(event.type, event.data) };
}

/**
 * The JSON text of a payload; undefined for what JSON leaves out.
 *
 * Fails: throws `InvalidInput` for what is not JSON or what no client would read.
 */
export function textOf(value: unknown, path: () => string, code: InvalidInput["code"] = "invalid"): string | undefined {
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch {
    throw new InvalidInput({ code, path: path(), message: "is not JSON" });
  }
  const why = text === undefined ? undefined : whyUnreadable(text, payloadLimits);
  if (why !== undefined) throw new InvalidInput({ code, path: path(), message: why });
  return text;
}

/** The same for data, which is an object to whoever reads it. */
export function textOfObject(value: unknown, path: () => string, code: InvalidInput["code"] = "invalid"): string {
  const text = textOf(value, path, code);
  // An object may say of itself that it is something else.
  if (text?.startsWith("{") !== true) throw new InvalidInput({ code, path: path(), message: "must be an object" });
  return text;
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
