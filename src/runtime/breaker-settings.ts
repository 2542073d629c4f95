/**
 * The breakers that there are, and their settings as one line of text: before `config`, which reads `RUNCAST_BREAKERS`.
 * `log:5/30000/2;email:3/60000/1` is failures / openMs / probes by name; who is not named keeps the defaults.
 */
import type { BreakerSettings } from "../../machines/circuit-breaker.ts";

/** Every breaker of the house. `connection` is that of each connection, all alike. */
export const breakerNames = [
  "log",
  "spool",
  "connection",
  "web-push",
  "webhook",
  "email",
  "sms",
  "system-alert",
] as const;

export type SettingsByBreaker = Readonly<Record<string, Partial<BreakerSettings>>>;

const maxFailureCount = 1_000;
const minOpenMs = 100;
/** One hour: who waits longer has forgotten it. */
const maxOpenMs = 3_600_000;
const maxProbeCount = 100;

/** What is right, for errors and for `--help`. */
export const breakersShape =
  `name:failures/openMs/probes, separated by ; (1 to ${maxFailureCount} failures, ${minOpenMs} to ${maxOpenMs} ms, ` +
  `1 to ${maxProbeCount} probes; names: ${breakerNames.join(", ")})`;

const isBetween = (value: number, min: number, max: number): boolean => value >= min && value <= max;

/** Undefined: the text is not as `breakersShape` says. A name may stand once. */
export function parseBreakers(text: string): SettingsByBreaker | undefined {
  const found: Record<string, BreakerSettings> = {};
  // A list in the configuration file arrives with commas.
  for (const entry of text.split(/[;,]/).map((part) => part.trim())) {
    if (entry === "") continue;
    const [, name = "", ...numbers] = /^([a-z-]+):(\d{1,9})\/(\d{1,9})\/(\d{1,9})$/.exec(entry) ?? [];
    const [maxFailures = 0, openMs = 0, probeCount = 0] = numbers.map(Number);
    if (!breakerNames.some((known) => known === name) || Object.hasOwn(found, name)) return undefined;
    if (!isBetween(maxFailures, 1, maxFailureCount) || !isBetween(openMs, minOpenMs, maxOpenMs)) return undefined;
    if (!isBetween(probeCount, 1, maxProbeCount)) return undefined;
    found[name] = { maxFailures, openMs, probeCount };
  }
  return found;
}
