/**
 * What an error of SQLite, or of the small file beside it, means for the log: asked by the store, which must know what
 * it may still believe, and by the worker, which tells the other side.
 */

/** Of an extended code the last byte says what failed, the rest where. */
const primaryCode = 0xff;

const kinds = {
  5: "held",
  10: "inputOutput",
  13: "full",
  14: "cannotOpen",
  26: "notADatabase",
} as const;

/** Node's own codes, from the file that is not SQLite's. */
const fileKinds = { ENOSPC: "full", EDQUOT: "full", EIO: "inputOutput" } as const;

/**
 * `held`: another process has the file; nothing was written. `full`: no room; nothing was written. `inputOutput`: the
 * disk failed; what was written is unknown.
 */
export type SqliteFailure = (typeof kinds)[keyof typeof kinds] | "other";

export function failureOf(error: unknown): SqliteFailure {
  if (!(error instanceof Error)) return "other";
  if ("errcode" in error) return lookUp(kinds, Number(error.errcode) & primaryCode);
  return "code" in error ? lookUp(fileKinds, String(error.code)) : "other";
}

function lookUp(table: Readonly<Record<string | number, SqliteFailure>>, code: string | number): SqliteFailure {
  return table[code] ?? "other";
}
