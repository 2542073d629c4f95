/**
 * Bounded JSON: the only place that calls `JSON.parse` (`json-text` for it). Size, depth and key count are checked on the
 * text, before a single object is built, and no key can reach a prototype. No zod here: the client uses it too.
 */
import { parseText } from "./json-text.ts";

export interface JsonLimits {
  /** UTF-16 code units of the text. */
  readonly maxChars: number;
  readonly maxDepth: number;
  readonly maxKeys: number;
}

/** A client frame: 64 KiB on the wire. */
export const frameLimits: JsonLimits = { maxChars: 65_536, maxDepth: 32, maxKeys: 4_096 };
/** An HTTP body: 1 MiB on the wire. */
export const bodyLimits: JsonLimits = { maxChars: 1_048_576, maxDepth: 32, maxKeys: 65_536 };
/** A frame from the server, which the client bounds too: it may have been led to a stranger. */
export const serverFrameLimits: JsonLimits = { maxChars: 16 * 1_048_576, maxDepth: 48, maxKeys: 1_048_576 };

/**
 * The JSON text of one event's data. Above what an HTTP body of `bodyLimits` can grow to when it is written again
 * (`1e20` becomes 21 digits), and below what a client reads of one frame (`serverFrameLimits`).
 */
export const payloadLimits: JsonLimits = { maxChars: 8 * 1_048_576, maxDepth: 32, maxKeys: 262_144 };

export interface Issue {
  /** Where, as in `events[2].data.toolCallId`; empty for the whole. */
  readonly path: string;
  readonly message: string;
}

export type Decoded<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly issue: Issue };

export const refused = (path: string, message: string): { ok: false; issue: Issue } => ({
  ok: false,
  issue: { path, message },
});

const quote = 0x22;
const backslash = 0x5c;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const colon = 0x3a;

/** Why the text is over a limit, or undefined. One pass, no allocation. */
function overLimit(text: string, limits: JsonLimits): string | undefined {
  if (text.length > limits.maxChars) return `is longer than ${limits.maxChars} characters`;
  let depth = 0;
  let keys = 0;
  let inString = false;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (inString) {
      if (code === backslash) at += 1;
      else if (code === quote) inString = false;
    } else if (code === quote) inString = true;
    else if (code === openBrace || code === openBracket) {
      depth += 1;
      if (depth > limits.maxDepth) return `is nested deeper than ${limits.maxDepth} levels`;
    } else if (code === closeBrace || code === closeBracket) depth -= 1;
    else if (code === colon) {
      keys += 1;
      if (keys > limits.maxKeys) return `has more than ${limits.maxKeys} keys`;
    }
  }
  return undefined;
}

/** A key that could reach a prototype once the object is copied or merged. */
function poisonedKey(value: unknown): string | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  for (const [key, child] of Object.entries(value)) {
    if (key === "__proto__") return key;
    if (key === "constructor" && typeof child === "object" && child !== null && Object.hasOwn(child, "prototype"))
      return "constructor.prototype";
    const deeper = poisonedKey(child);
    if (deeper !== undefined) return deeper;
  }
  return undefined;
}

/** Parses `text` within `limits`; never throws. */
export function parseJson(text: string, limits: JsonLimits): Decoded<unknown> {
  const over = overLimit(text, limits);
  if (over !== undefined) return refused("", over);
  let value: unknown;
  try {
    value = parseText(text);
  } catch {
    return refused("", "is not JSON");
  }
  // An escaped key looks harmless in the text, so any escape sends us on the walk.
  if (/__proto__|constructor|\\u/.test(text)) {
    const poisoned = poisonedKey(value);
    if (poisoned !== undefined) return refused(poisoned, "is a key that is not allowed");
  }
  return { ok: true, value };
}

/**
 * Why text that this process made of somebody's value would be refused by its readers, or undefined: what was accepted
 * and cannot be read would stand in its reader's way for ever.
 */
export function whyUnreadable(text: string, limits: JsonLimits): string | undefined {
  // Most payloads are small and flat: tokens.
  const isFlat = text.length <= limits.maxKeys && text.lastIndexOf("{") <= 0 && !text.includes("[");
  const over = isFlat ? undefined : overLimit(text, limits);
  if (over !== undefined) return over;
  // Our own text escapes no letter.
  if (!/"(?:__proto__|constructor)"/.test(text)) return undefined;
  const poisoned = poisonedKey(parseText(text));
  return poisoned === undefined ? undefined : `has a key that is not allowed: ${poisoned}`;
}

/** JSON text that this process wrote and checksummed itself: no limits, but still one place that parses. */
export function parseTrusted(text: string): unknown {
  return parseText(text);
}
