/**
 * Examines a runner: plays it under many schedules, in which tools finish in any order and fail, the run is cancelled
 * at every point, approvals are refused, the log loses appends and answers, and the process loses its run. Reports
 * every kind of mistake once, with the plainest way to it.
 */
import { type Finding, keyOf, type Report, type RunnerRule } from "./finding.ts";
import { type PlayOptions, type Played, playRunner, type Runner } from "./play.ts";
import { reportText } from "./report-text.ts";
import { calm, type Extent, type Schedule, seededSchedule, singleTwists, type TwistKind } from "./schedule.ts";
import { shrink } from "./shrink.ts";

export interface ExamineOptions<Input = unknown> extends PlayOptions<Input> {
  /** How many schedules at most: first the systematic ones, then random ones. Default 200. */
  readonly schedules?: number | undefined;
  /** Of the random ones. The same seed plays the same. Default 1. */
  readonly seed?: number | undefined;
  /** Rules that this runner may break. */
  readonly allow?: readonly RunnerRule[] | undefined;
  /** What does not happen in this runner's world. */
  readonly without?: readonly TwistKind[] | undefined;
}

export interface Examination {
  /** Nothing was found. */
  readonly ok: boolean;
  /** Each kind of mistake once. */
  readonly findings: readonly Report[];
  /** How many plays there were, those for shrinking not counted. */
  readonly played: number;
  /** All of it, to be read. */
  readonly text: string;
}

const defaultSchedules = 200;
/** After so many plays that never settled nobody waits long for the next. */
const maxPatientPlays = 3;
const shortPatienceMs = 5;
const every: readonly TwistKind[] = [
  "toolFails",
  "cancel",
  "logUnavailable",
  "logUnknown",
  "deny",
  "expire",
  "takeover",
  "lapse",
  "crash",
];

/**
 * Plays a runner under many schedules and judges what it said.
 *
 * Fails: as `playRunner` does.
 */
export async function examineRunner<Input = unknown>(
  runner: Runner<Input>,
  options: ExamineOptions<Input> = {},
): Promise<Examination> {
  const { schedules = defaultSchedules, seed: firstSeed = 1, allow = [], without = [] } = options;
  const kinds = every.filter((kind) => !without.includes(kind) && (kind !== "crash" || options.restarts === true));
  const found = new Map<string, Report>();
  let played = 0;
  let neverSettled = 0;

  const play = async (schedule: Schedule): Promise<Played> => {
    const patience = neverSettled < maxPatientPlays ? options.patienceMs : shortPatienceMs;
    const seen = await playRunner(runner, schedule, { ...options, patienceMs: patience });
    if (seen.findings.some(({ rule }) => rule === "never-settles")) neverSettled += 1;
    return seen;
  };
  const faultsOf = ({ findings }: Played): readonly Finding[] => findings.filter(({ rule }) => !allow.includes(rule));
  const examine = async (schedule: Schedule, seed?: number): Promise<Extent> => {
    const seen = await play(schedule);
    played += 1;
    for (const finding of distinct(faultsOf(seen))) {
      const known = found.get(keyOf(finding));
      if (known) known.count += 1;
      else found.set(keyOf(finding), await plainest(finding, seen, seed));
    }
    return seen.extent;
  };
  const plainest = async (finding: Finding, seen: Played, seed: number | undefined): Promise<Report> => {
    const key = keyOf(finding);
    const same = (other: Played): Finding | undefined => faultsOf(other).find((each) => keyOf(each) === key);
    const schedule = await shrink(seen.schedule, async (candidate) => same(await play(candidate)) !== undefined);
    const shown = await play(schedule);
    return { ...(same(shown) ?? finding), schedule: shown.schedule, seed, story: shown.story, count: 1 };
  };

  const extent = await examine(calm);
  for (const schedule of singleTwists(kinds, extent).slice(0, schedules - 1)) await examine(schedule);
  for (let seed = firstSeed; played < schedules; seed += 1) await examine(seededSchedule(seed, kinds, extent), seed);
  const findings = [...found.values()];
  return { ok: findings.length === 0, findings, played, text: reportText(findings, played) };
}

function distinct(findings: readonly Finding[]): readonly Finding[] {
  return [...new Map(findings.map((finding) => [keyOf(finding), finding])).values()];
}
