/** What an agent hands over, made fit for the log: a value that has no JSON form must not end the run. */

/** The value itself if JSON can say it; otherwise a text about it; undefined stays undefined. */
export function jsonOf(value: unknown): unknown {
  if (value === undefined) return undefined;
  try {
    // A function or a symbol has no JSON form.
    return JSON.stringify(value) === undefined ? Object.prototype.toString.call(value) : value;
  } catch {
    // Circular, a bigint, or a throwing getter.
    return Object.prototype.toString.call(value);
  }
}
