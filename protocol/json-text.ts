/**
 * JSON text as a value, for `json`. V8 is in doubt about one thing: a key that is written with an escape may be read as
 * another key, of an object that it parsed before (`{"a":1,"\\":2}`, and then `{"a":1,"\u0062":2}` has no `b`). What one
 * user says must not depend on what another has said (L8), so such a text is read without keys.
 */

const quote = 0x22;
const backslash = 0x5c;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const colon = 0x3a;
/** JSON knows no white space above it. */
const space = 0x20;

/** Where the string ends that begins at `at`: behind its closing quote. */
function stringEnd(text: string, at: number): number {
  let end = at + 1;
  while (text.charCodeAt(end) !== quote) end += text.charCodeAt(end) === backslash ? 2 : 1;
  return end + 1;
}

/** `text` is known to be JSON. */
function hasEscapedKey(text: string): boolean {
  let isEscaped = false;
  for (let at = text.indexOf('"'); at !== -1 && at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === quote) {
      const end = stringEnd(text, at);
      const escape = text.indexOf("\\", at);
      if (escape === -1) return false;
      isEscaped = escape < end;
      at = end - 1;
    } else if (code === colon && isEscaped) return true;
  }
  return false;
}

/** Whether nothing but white space stands between an opening bracket at `at` and its closing one. */
function isEmpty(text: string, at: number): boolean {
  let next = at + 1;
  while (text.charCodeAt(next) <= space) next += 1;
  const code = text.charCodeAt(next);
  return code === closeBrace || code === closeBracket;
}

/** The same text with a list for every object and list: `[0, key, value, …]` and `[1, item, …]`. */
function asLists(text: string): string {
  let lists = "";
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === quote) {
      const end = stringEnd(text, at);
      lists += text.slice(at, end);
      at = end - 1;
    } else if (code === openBrace || code === openBracket) {
      lists += `[${code === openBrace ? 0 : 1}${isEmpty(text, at) ? "" : ","}`;
    } else if (code === closeBrace || code === closeBracket) lists += "]";
    else lists += code === colon ? "," : text.charAt(at);
  }
  return lists;
}

function fromLists(value: unknown): unknown {
  if (!Array.isArray(value)) return value;
  const [kind, ...items] = value as readonly unknown[];
  if (kind === 1) return items.map(fromLists);
  const pairs: [string, unknown][] = [];
  for (let at = 0; at < items.length; at += 2) pairs.push([String(items[at]), fromLists(items[at + 1])]);
  return Object.fromEntries(pairs);
}

/** Fails: throws `SyntaxError` for what is not JSON. */
export function parseText(text: string): unknown {
  const value: unknown = JSON.parse(text);
  // Most texts are of scalars, or hold no escape at all.
  if (typeof value !== "object" || value === null || !text.includes("\\")) return value;
  return hasEscapedKey(text) ? fromLists(JSON.parse(asLists(text))) : value;
}
