/**
 * What the process tells its operator: one JSON line per record, of 2 KB at most. Fields are named values that we chose;
 * no token and no payload is ever put in (FAULTS 35, 41), long values are cut, and nothing moves a terminal's cursor.
 */
import type { Clock } from "../platform/clock.ts";
import { causeText } from "./cause-text.ts";

export type Level = "debug" | "info" | "warn" | "error";

export interface Journal {
  write(level: Level, what: string, fields?: Readonly<Record<string, unknown>>): void;
}

const order: readonly Level[] = ["debug", "info", "warn", "error"];
const maxFieldChars = 500;
const minFieldChars = 20;
const maxLineBytes = 2_048;

/** A record's value, at most so long. What was thrown is told by `cause-text`; everything else was chosen by us. */
function shown(name: string, value: unknown, maxChars: number): unknown {
  if (value instanceof Error || name === "cause") return causeText(value).slice(0, maxChars);
  if (typeof value === "number" || typeof value === "boolean" || value === undefined || value === null) return value;
  if (typeof value === "string") return value.slice(0, maxChars);
  if (typeof value === "bigint") return value.toString().slice(0, maxChars);
  try {
    // Undefined for a function and a symbol, whatever the types say.
    const text = (JSON.stringify(value) as string | undefined) ?? typeof value;
    return text.length > maxChars ? text.slice(0, maxChars) : value;
  } catch {
    // What an application hands in may be anything, also what cannot be written down.
    return `unprintable ${typeof value}`;
  }
}

/** What JSON leaves as it is and a terminal or a log viewer does not: C1 controls, marks of direction, line ends, no widths. */
const unsafe = /[\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;
const escaped = (char: string): string => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;

function lineOf(fields: Readonly<Record<string, unknown>>, head: Readonly<Record<string, unknown>>): string {
  for (let maxChars = maxFieldChars; ; maxChars = Math.floor(maxChars / 2)) {
    const record: Record<string, unknown> = { ...head };
    for (const [name, value] of Object.entries(fields)) record[name] = shown(name, value, maxChars);
    const line = JSON.stringify(record).replaceAll(unsafe, escaped);
    if (maxChars < minFieldChars || Buffer.byteLength(line) < maxLineBytes) return line;
  }
}

/** A journal of JSON lines: `write` takes one line with its newline. */
export function jsonJournal(clock: Clock, level: Level, write: (line: string) => void): Journal {
  const least = order.indexOf(level);
  return {
    write: (at, what, fields = {}) => {
      if (order.indexOf(at) < least) return;
      write(`${lineOf(fields, { time: new Date(clock.now()).toISOString(), level: at, what })}\n`);
    },
  };
}

export const silentJournal: Journal = { write: () => {} };
