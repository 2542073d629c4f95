/** Times for readers: how long something took, when it was. */
const secondMs = 1_000;
const minuteMs = 60 * secondMs;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

/** `38 ms`, `2.4 s`, `1 min 12 s`. */
export function durationText(ms: number): string {
  if (ms < secondMs) return `${Math.max(ms > 0 ? 1 : 0, Math.round(ms))} ms`;
  if (ms < minuteMs) return `${(ms / secondMs).toFixed(1)} s`;
  return `${Math.floor(ms / minuteMs)} min ${Math.round((ms % minuteMs) / secondMs)} s`;
}

/** `just now`, `4 min ago`, `3 h ago`, `2 d ago`. */
export function agoText(time: string, nowMs: number): string {
  const age = nowMs - Date.parse(time);
  if (!(age >= minuteMs)) return "just now";
  if (age < hourMs) return `${Math.floor(age / minuteMs)} min ago`;
  return age < dayMs ? `${Math.floor(age / hourMs)} h ago` : `${Math.floor(age / dayMs)} d ago`;
}

/** The time of day to the millisecond, in the reader's zone. */
export function clockText(time: string): string {
  const at = new Date(time);
  const two = (value: number) => String(value).padStart(2, "0");
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${String(at.getMilliseconds()).padStart(3, "0")}`;
}

/** When something is over, in the reader's zone: `14:05:09` today, `27 Nov 2026, 14:05:09` on another day. */
export function untilText(time: string, nowMs: number): string {
  const at = new Date(time);
  const isToday = at.toDateString() === new Date(nowMs).toDateString();
  return at.toLocaleString("en-GB", isToday ? { timeStyle: "medium" } : { dateStyle: "medium", timeStyle: "medium" });
}
