/** Texts for small places: cut between two characters, never within one. No I/O. */

const mark = "...";

/** At most `maxChars` UTF-16 units, as text messages count; what was cut ends with dots. */
export function cutText(text: string, maxChars: number): string {
  if (text.length <= maxChars) return text;
  const kept = text.slice(0, maxChars - mark.length);
  // Half of a character that takes two units.
  const isTorn = /[\ud800-\udbff]$/.test(kept);
  return `${isTorn ? kept.slice(0, -1) : kept}${mark}`;
}
