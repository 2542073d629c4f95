/** An examination in words, for whoever reads a failed test. */
import type { Report } from "./finding.ts";
import { scheduleText } from "./schedule.ts";
import { eventWords } from "./watched-run.ts";

/** Lines of the story that are shown; its end is what matters. */
const maxStoryLines = 40;

export function reportText(findings: readonly Report[], played: number): string {
  if (findings.length === 0) return `ok: nothing wrong in ${played} schedules`;
  const head = `${findings.length} kind(s) of mistake in ${played} schedules`;
  return [head, ...findings.map((finding, index) => findingText(finding, index + 1, played))].join("\n\n");
}

function findingText(finding: Report, number: number, played: number): string {
  const { rule, message, event, state, legal, before, schedule, seed, story, count } = finding;
  const lines = [`${number}. ${rule}: ${message}`, `   in ${count} of ${played} schedules`];
  if (event) lines.push(`   event: ${JSON.stringify({ type: event.type, data: event.data })}`);
  if (state !== undefined) lines.push(`   state: ${state}`);
  if (legal && legal.length > 0) lines.push(`   legal: ${legal.join(", ")}`);
  lines.push(`   said before: ${before.map(eventWords).join(", ") || "nothing"}`);
  lines.push(`   schedule${seed === undefined ? "" : ` (seed ${seed}, shrunk)`}: ${scheduleText(schedule)}`);
  const shown = story.slice(-maxStoryLines);
  const skipped = story.length - shown.length;
  if (skipped > 0) lines.push(`     … ${skipped} lines`);
  lines.push(...shown.map((line) => `     ${line}`));
  return lines.join("\n");
}
