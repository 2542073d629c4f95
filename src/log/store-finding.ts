/** What an examination of a store says: one finding a line, and what to do. `examine-store` collects them, `runcast doctor` shows them. */

export interface StoreFinding {
  /** `error`: Runcast cannot work with it, or what it promises does not hold. `warning`: it holds less, or not for long. */
  readonly level: "ok" | "warning" | "error";
  /** Which thing was looked at: `postgres.fsync`. */
  readonly what: string;
  /** What was found. */
  readonly says: string;
  /** What to do about it. */
  readonly advice?: string | undefined;
}

export const fine = (what: string, says: string): StoreFinding => ({ level: "ok", what, says });
export const warns = (what: string, says: string, advice: string): StoreFinding => ({
  ...{ level: "warning", what, says, advice },
});
export const fails = (what: string, says: string, advice: string): StoreFinding => ({
  ...{ level: "error", what, says, advice },
});

/** Limits of a clock that is compared with ours: times of events go by it, deadlines do not. */
const maxClockDifferenceMs = 2_000;

export function clockFinding(what: string, theirsMs: number, oursMs: number): StoreFinding {
  const differenceMs = Math.round(Math.abs(theirsMs - oursMs));
  if (differenceMs <= maxClockDifferenceMs) return fine(what, `its clock differs from ours by ${differenceMs} ms`);
  return warns(what, `its clock differs from ours by ${differenceMs} ms`, "set both by NTP: retention goes by time");
}
