/** Where the beginning of a stream may be cut: what every adapter asks before it retires, so that all cut alike (L15). */
import type { Offset, StreamKey } from "../../protocol/ids.ts";
import { streamOwner } from "../../protocol/ids.ts";
import { ruledTier } from "../../protocol/tier-rules.ts";
import type { LostRange } from "./dead-letter.ts";
import type { RunRecord } from "./event-log.ts";
import { type Retire, tierIn } from "./housekeeping.ts";

export type RunSpan = Pick<RunRecord, "firstOffset" | "lastOffset" | "ended">;

/**
 * The last offset that may go; `first - 1`: none. A living run and all behind its beginning stay; an ended run goes
 * whole or stays whole.
 *
 * `oldUpto`: the last offset that is old enough. `runs`: those of the stream, ascending by their first offset.
 * `maxEvents`: beyond it the next place where no run is cut in two is taken.
 */
export function cutOf(first: Offset, oldUpto: Offset, runs: Iterable<RunSpan>, maxEvents: number): Offset {
  let safe = first - 1;
  let spokenFor = first - 1;
  for (const { firstOffset, lastOffset, ended } of runs) {
    if (firstOffset > oldUpto) break;
    if (spokenFor < firstOffset) {
      safe = firstOffset - 1;
      if (safe + 1 - first >= maxEvents) return safe;
    }
    if (ended === undefined || lastOffset > oldUpto) return safe;
    spokenFor = Math.max(spokenFor, lastOffset);
  }
  return Math.max(safe, oldUpto);
}

/**
 * The moment before which a stream's events are old. Undefined: nobody can say, so all of it stays for now.
 *
 * `claim`: the value of the stream's document of `tierKind`, if there is one; it is needed only where `tiers` are given.
 */
export function momentOf({ before, tiers }: Retire, stream: StreamKey, claim: string | undefined): string | undefined {
  if (tiers === undefined) return before;
  const { tenantId, userId } = streamOwner(stream);
  const tier = claim === undefined ? (ruledTier(tiers.rules, tenantId, userId) ?? tiers.default) : tierIn(claim);
  return tier && tiers.before[tier];
}

/** No event that is as young as this is old in any stream. */
export function latestOf({ before, tiers }: Retire): string {
  if (tiers === undefined) return before;
  return Object.values(tiers.before).reduce((latest, moment) => (moment > latest ? moment : latest));
}

/** Of the offsets from `first` to `cut`, those that nobody has acknowledged; undefined: none. */
export function unackedRange(first: Offset, cut: Offset, acked: Offset): { from: Offset; upto: Offset } | undefined {
  const from = Math.max(first, acked + 1);
  return from > cut ? undefined : { from, upto: cut };
}

/** Of a day: a stream that loses a little at every sweep has one dead letter a day, not one a minute. */
const dayChars = "2026-11-21".length;

/** Whether what a sweep took goes on where the stream's last such letter stops. */
export function isNextOf(last: Pick<LostRange, "upto" | "time">, { from, time }: LostRange): boolean {
  return last.upto + 1 === from && last.time.slice(0, dayChars) === time.slice(0, dayChars);
}

/** Why retired events stand among the dead letters. */
export const retiredReason = "they were older than what is kept, and no device had acknowledged them";
