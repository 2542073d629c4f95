/**
 * JSON text as a value, for `json`. V8 is in doubt about one thing: a key that is written with an escape may be read as
 * another key, of an object that it parsed before (`{"a":1,"\\":2}`, and then `{"a":1,"\u0062":2}` has no `b`). What one
 * user says must not depend on what another has said (L8), so such a text is read without keys.
 */

/** Where the string ends that begins at `at`: behind its closing quote. `text` is known to be JSON. */
function stringEnd(text: string, at: number): number {
  let end = at + 1;
  while (text[end] !== '"') end += text[end] === "\\" ? 2 : 1;
  return end + 1;
}

function hasEscapedKey(text: string): boolean {
  let isEscaped = false;
  for (let at = 0; at < text.length; at += 1) {
    if (text[at] === ":" && isEscaped) return true;
    if (text[at] !== '"') continue;
    const escape = text.indexOf("\\", at);
    if (escape === -1) return false;
    const end = stringEnd(text, at);
    isEscaped = escape < end;
    at = end - 1;
  }
  return false;
}

/** `[[key, value, …], 0]` for an object and `[[item, …], 1]` for a list. */
const asList: Readonly<Record<string, string>> = { "{": "[[", "}": "],0]", "[": "[[", "]": "],1]", ":": "," };

function asLists(text: string): string {
  let lists = "";
  for (let at = 0; at < text.length; ) {
    const end = text[at] === '"' ? stringEnd(text, at) : at + 1;
    const token = text.slice(at, end);
    lists += asList[token] ?? token;
    at = end;
  }
  return lists;
}

function fromLists(value: unknown): unknown {
  if (!Array.isArray(value)) return value;
  const [items, kind] = value as [unknown[], number];
  const read = items.map(fromLists);
  if (kind === 1) return read;
  return Object.fromEntries(read.flatMap((key, at) => (at % 2 === 0 ? [[key, read[at + 1]]] : [])));
}

/** Fails: throws `SyntaxError` for what is not JSON. */
export function parseText(text: string): unknown {
  const value: unknown = JSON.parse(text);
  // Most texts hold no escape at all.
  return text.includes("\\") && hasEscapedKey(text) ? fromLists(JSON.parse(asLists(text))) : value;
}
