/**
 * What the process tells its operator: one JSON line per record. Fields are named values that we chose; no token
 * and no payload is ever put in (FAULTS 35, 41), and long values are cut.
 */
import type { Clock } from "../platform/clock.ts";

export type Level = "debug" | "info" | "warn" | "error";

export interface Journal {
  write(level: Level, what: string, fields?: Readonly<Record<string, unknown>>): void;
}

const order: readonly Level[] = ["debug", "info", "warn", "error"];
const maxFieldChars = 500;

/** Errors lose nothing but their prototype; everything else is cut to a readable length. */
function shown(value: unknown): unknown {
  if (typeof value === "number" || typeof value === "boolean" || value === undefined || value === null) return value;
  if (typeof value === "string") return cut(value);
  if (typeof value === "bigint") return cut(value.toString());
  try {
    if (value instanceof Error) return cut(`${value.name}: ${value.message}`);
    // Undefined for a function and a symbol, whatever the types say.
    const text = (JSON.stringify(value) as string | undefined) ?? typeof value;
    return text.length > maxFieldChars ? cut(text) : value;
  } catch {
    // What an application throws may be anything, also what cannot be written down.
    return `unprintable ${typeof value}`;
  }
}

const cut = (text: string): string => text.slice(0, maxFieldChars);

/** A journal of JSON lines: `write` takes one line with its newline. */
export function jsonJournal(clock: Clock, level: Level, write: (line: string) => void): Journal {
  const least = order.indexOf(level);
  return {
    write: (at, what, fields = {}) => {
      if (order.indexOf(at) < least) return;
      const record: Record<string, unknown> = { time: new Date(clock.now()).toISOString(), level: at, what };
      for (const [name, value] of Object.entries(fields)) record[name] = shown(value);
      write(`${JSON.stringify(record)}\n`);
    },
  };
}

export const silentJournal: Journal = { write: () => {} };
