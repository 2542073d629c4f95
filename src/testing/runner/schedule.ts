/**
 * One way in which the world around a runner can go: which of the steps that could come next comes, and what goes
 * wrong when. It is data: the same schedule plays the same, a seed makes one, and a finding's schedule shrinks.
 */

/**
 * What goes wrong, or merely differs. `at` counts from 1: steps of the play, unless it says otherwise.
 *
 * - `toolFails`: the at-th execution of a tool rejects instead.
 * - `logUnavailable`, `logUnknown`: the at-th append is not written; is written and its answer is lost.
 * - `cancel`: somebody asks the run to stop.
 * - `lapse`: the process is cut off from its log for longer than lease and grace: another node interrupts the run.
 * - `takeover`: another runner claims the run, and ends it.
 * - `crash`: kill -9; the runner is started again with a claimed handle.
 * - `deny`, `expire`: the at-th approval is refused; is never answered.
 */
export type TwistKind =
  | "toolFails"
  | "logUnavailable"
  | "logUnknown"
  | "cancel"
  | "lapse"
  | "takeover"
  | "crash"
  | "deny"
  | "expire";

export interface Twist {
  readonly kind: TwistKind;
  readonly at: number;
}

/** Twists that wait for a step of the play. */
export function isTimed(kind: TwistKind): boolean {
  return kind === "cancel" || kind === "lapse" || kind === "takeover" || kind === "crash";
}

export interface Schedule {
  /** Of the steps that could come next, which one comes: 0 is the one that has waited longest. Beyond the list: 0. */
  readonly choices: readonly number[];
  readonly twists: readonly Twist[];
}

/** Everything in its order, and nothing goes wrong. */
export const calm: Schedule = { choices: [], twists: [] };

/** How many of each there were in a calm play: where twists can bite. */
export interface Extent {
  readonly steps: number;
  readonly tools: number;
  readonly appends: number;
  readonly approvals: number;
}

const maxChoices = 200;
/** More steps than this rarely wait at once. */
const widestChoice = 12;
/** Cutting a process off at every step is the same bug many times: these many places. */
const maxLosses = 8;

/** Numbers from 0 to below `bound`, the same for the same seed (xorshift32). */
export function dice(seed: number): (bound: number) => number {
  // Neighbouring seeds must not begin alike.
  let state = Math.imul(seed + 1, 0x9e37_79b1) >>> 0 || 1;
  return (bound) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state % bound;
  };
}

const unitOf = (kind: TwistKind, { steps, tools, appends, approvals }: Extent): number => {
  if (kind === "toolFails") return tools;
  if (kind === "logUnavailable" || kind === "logUnknown") return appends;
  return kind === "deny" || kind === "expire" ? approvals : steps;
};

/** Each twist alone, at every place of a calm play. */
export function singleTwists(kinds: readonly TwistKind[], extent: Extent): Schedule[] {
  return kinds.flatMap((kind) => {
    const places = unitOf(kind, extent);
    const isLoss = kind === "lapse" || kind === "takeover";
    const stride = isLoss ? Math.max(1, Math.ceil(places / maxLosses)) : 1;
    const count = Math.ceil(places / stride);
    return Array.from({ length: count }, (_, index) => ({ choices: [], twists: [{ kind, at: 1 + index * stride }] }));
  });
}

/** The schedule of a seed: any order, and up to two twists. */
export function seededSchedule(seed: number, kinds: readonly TwistKind[], extent: Extent): Schedule {
  const roll = dice(seed);
  const twists: Twist[] = [];
  for (let count = roll(3); count > 0; count -= 1) {
    const kind = kinds[roll(kinds.length)];
    const places = kind === undefined ? 0 : unitOf(kind, extent);
    if (kind !== undefined && places > 0) twists.push({ kind, at: 1 + roll(places) });
  }
  return { choices: Array.from({ length: maxChoices }, () => roll(widestChoice)), twists };
}

const twistWords: Readonly<Record<TwistKind, (at: number) => string>> = {
  toolFails: (at) => `tool execution ${at} fails`,
  logUnavailable: (at) => `append ${at} is not written`,
  logUnknown: (at) => `append ${at} is written and its answer lost`,
  cancel: (at) => `cancelled before step ${at}`,
  lapse: (at) => `cut off from the log before step ${at} until the lease is over`,
  takeover: (at) => `taken over by another runner before step ${at}`,
  crash: (at) => `killed before step ${at} and started again`,
  deny: (at) => `approval ${at} is denied`,
  expire: (at) => `approval ${at} is never answered`,
};

export function placesOf({ twists }: Schedule, kind: TwistKind): readonly number[] {
  return twists.flatMap((twist) => (twist.kind === kind ? [twist.at] : []));
}

/** Beyond the list everything is in order anyway. */
export function withoutTail(choices: readonly number[]): readonly number[] {
  return choices.slice(0, choices.findLastIndex((choice) => choice > 0) + 1);
}

/** A schedule in words. */
export function scheduleText({ choices, twists }: Schedule): string {
  const moved = choices.flatMap((choice, index) => (choice > 0 ? [`step ${index + 1} takes no. ${choice + 1}`] : []));
  const order = moved.length === 0 ? "in order" : moved.join(", ");
  return [...twists.map(({ kind, at }) => twistWords[kind](at)), order].join("; ");
}
