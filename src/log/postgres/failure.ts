/**
 * What an error of PostgreSQL, or of the line to it, means for the log: nothing was written, or nobody knows. Every call
 * of the adapter ends here when it does not end with an answer.
 */
import { InvalidConfig, LogFull, LogUnavailable } from "../../errors.ts";
import { logRetryAfterMs } from "../closed.ts";

/** Another transaction was first, and this one wrote nothing: it is done again. */
const raced = new Set(["40001", "40P01"]);
/** No room, or nobody may write here: nothing was written. */
const full: Readonly<Record<string, string>> = {
  "53100": "the database's disk is full",
  "25006": "the database is read-only",
};
/** What the same connection will answer again: another may stand better. */
const isOver = /^(25006|RC001|55000|57P0[1-5]|08|XX)/;
/** Where the start fails for good. */
const misconfigured: Readonly<Record<string, string>> = {
  "28P01": "the database refuses the password",
  "28000": "the database refuses the user",
  "3D000": "there is no such database",
  "42501": "the user may not do what a store needs",
};

/** The server's code for an error, five characters; undefined: it is the line that failed. */
export function sqlStateOf(cause: unknown): string | undefined {
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  return typeof code === "string" && /^[0-9A-Z]{5}$/.test(code) ? code : undefined;
}

export const isRaced = (cause: unknown): boolean => raced.has(sqlStateOf(cause) ?? "");

/** Whether the connection is to be let go: it is broken, or stands where no more will come of it. */
export function endsConnection(cause: unknown): boolean {
  const state = sqlStateOf(cause);
  return state === undefined || isOver.test(state);
}

/** What a call that failed is answered with. */
export function failureOf(cause: unknown): Error {
  if (cause instanceof LogUnavailable || cause instanceof LogFull || cause instanceof InvalidConfig) return cause;
  const state = sqlStateOf(cause);
  const room = state === undefined ? undefined : full[state];
  if (room !== undefined)
    return new LogFull({ message: `${room}: nothing was written`, retryAfterMs: logRetryAfterMs });
  const message = state === "55P03" ? "another transaction holds the stream" : "the database does not answer";
  return new LogUnavailable({ message, retryAfterMs: logRetryAfterMs, cause: bare(cause, state) });
}

/** What opening fails with: a wrong setting is no outage. */
export function openFailureOf(cause: unknown): Error {
  const wrong = misconfigured[sqlStateOf(cause) ?? ""];
  if (wrong === undefined) return failureOf(cause);
  const said = cause instanceof Error ? `: ${cause.message}` : "";
  return new InvalidConfig({ setting: "store", message: `cannot be opened, ${wrong}${said}` });
}

/** Without the fields of the driver's error: they quote rows and parameters. */
function bare(cause: unknown, state: string | undefined): Error {
  const words = cause instanceof Error ? cause.message : String(cause);
  return new Error(state === undefined ? words : `${state} ${words}`);
}
