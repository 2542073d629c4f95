/**
 * A server frame from its text, for the client: bounded, checked by hand in the few fields that delivery rests
 * on, without zod (the browser budget). Frames of a type that is not known come back as `undefined`: a newer
 * server may say more than we understand.
 */
import type { ServerFrame } from "./frames.ts";
import type { Decoded } from "./json.ts";
import { parseJson, refused, serverFrameLimits } from "./json.ts";

const isOffset = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
const isText = (value: unknown): boolean => typeof value === "string";

/** The fields without which a frame cannot be acted on. */
const needed: Record<ServerFrame["type"], Readonly<Record<string, (value: unknown) => boolean>>> = {
  welcome: { connectionId: isText, epoch: isText, head: isOffset, resumed: isText, heartbeatMs: isOffset },
  snapshot: { at: isOffset, runs: Array.isArray },
  events: { after: isOffset, upto: isOffset, events: Array.isArray },
  gap: { from: isOffset, upto: isOffset, reason: isText },
  reply: { ok: (value) => typeof value === "boolean" },
  status: {},
  auth_expiring: { inMs: isOffset },
  pong: {},
  goodbye: { retryAfterMs: isOffset },
};

/** Decodes one server frame; `value` is undefined when its type is not known. */
export function decodeServerFrame(text: string): Decoded<ServerFrame | undefined> {
  const json = parseJson(text, serverFrameLimits);
  if (!json.ok) return json;
  const frame = json.value;
  if (typeof frame !== "object" || frame === null || !("type" in frame)) return refused("type", "must be a string");
  if (typeof frame.type !== "string" || !Object.hasOwn(needed, frame.type)) return { ok: true, value: undefined };
  const fields = needed[frame.type as ServerFrame["type"]];
  for (const field of Object.keys(fields)) {
    if (!fields[field]?.((frame as Record<string, unknown>)[field])) return refused(field, "is missing or malformed");
  }
  return { ok: true, value: frame as ServerFrame };
}
