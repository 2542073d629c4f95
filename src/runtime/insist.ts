/**
 * A write whose outcome is unknown is repeated with the same key until it is known: what must not be lost for a log
 * that did not answer once. Used by who writes a tool's result and a run's end.
 */

/** The first repetition is at once: most silences are a moment. */
const maxTriesAtOnce = 3;
/** With the log's own `retryAfterMs` of 1 s this outlives a restart of the log, and ends before a user gives up. */
const maxTries = 30;

const isUnknown = (error: unknown): boolean =>
  typeof error === "object" && error !== null && Reflect.get(error, "_tag") === "LogUnavailable";

const wishOf = (error: unknown): number => {
  const wishMs: unknown = Reflect.get(Object(error), "retryAfterMs");
  return typeof wishMs === "number" ? wishMs : 0;
};

/**
 * Shape: `write` bears a key, so that repeating it is safe. With `pause` (milliseconds) it goes on for half a minute.
 *
 * Fails: as `write` does; with `LogUnavailable` when the log never answered.
 */
export async function insist<Answer>(
  write: () => Promise<Answer>,
  pause?: (ms: number) => Promise<void>,
): Promise<Answer> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await write();
    } catch (error) {
      if (!isUnknown(error) || tries >= (pause ? maxTries : maxTriesAtOnce)) throw error;
      if (pause && tries >= maxTriesAtOnce) await pause(wishOf(error));
    }
  }
}
