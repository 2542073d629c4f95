/** An event as it will be stored: its JSON text, made once, and held against the isolation rule (L8). */
import type { EventInput } from "../../protocol/event.ts";
import type { UserId } from "../../protocol/ids.ts";
import { parseTrusted } from "../../protocol/json.ts";
import { Contaminated, InvalidInput } from "../errors.ts";
import { contaminatedPath, mayBeContaminated, sanitized } from "./contamination.ts";
import { eventDigest } from "./digest.ts";

export interface Prepared {
  readonly event: EventInput;
  readonly text: string;
  /** Of what the publisher said, for events with a key. */
  readonly digest: string | undefined;
}

export interface PayloadPolicy {
  readonly contamination: "refuse" | "sanitize";
  readonly countContaminated: () => void;
}

/**
 * Prepares the event at `index` of a batch for `owner`'s stream.
 *
 * Fails: throws `InvalidInput` for what is not JSON, `Contaminated` for a payload that names somebody else.
 */
export function prepare(event: EventInput, index: number, owner: UserId, policy: PayloadPolicy): Prepared {
  let kept = event;
  let text = jsonText(event, index);
  if (mayBeContaminated(text)) {
    const path = contaminatedPath(text, owner, `events[${index}].data`);
    if (path !== undefined) {
      policy.countContaminated();
      if (policy.contamination === "refuse")
        throw new Contaminated({ path, message: "names a user who does not own this run" });
      text = sanitized(text, owner);
      kept = { ...event, data: parseTrusted(text) } as EventInput;
    }
  }
  return { event: kept, text, digest: event.key === undefined ? undefined : eventDigest(event.type, event.data) };
}

function jsonText(event: EventInput, index: number): string {
  try {
    return JSON.stringify(event.data);
  } catch {
    throw new InvalidInput({ code: "invalid_event", path: `events[${index}].data`, message: "is not JSON" });
  }
}
