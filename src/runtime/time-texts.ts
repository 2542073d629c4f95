/** The `time` of events: after the clock, before everything that makes one. */

/** ISO texts of now; many events fall into one millisecond. */
export function timeTexts(now: () => number): () => string {
  let ms = -1;
  let text = "";
  return () => {
    const at = now();
    if (at !== ms) {
      ms = at;
      text = new Date(at).toISOString();
    }
    return text;
  };
}
