/**
 * What is asked of a log to keep it from growing for ever: retirement of what is old, compaction of what has ended.
 * Both are done in slices, each all or nothing: who drives them (`runtime/retention`) calls until nothing is left.
 */
import type { Offset, StreamKey } from "../../protocol/ids.ts";
import { tierNames, type TierName, type TierRules } from "../../protocol/tier-rules.ts";

export interface Retire {
  /** ISO 8601 UTC: what is older goes, where `tiers` says nothing else; dead letters in any case. */
  readonly before: string;
  /** Undefined: `before` holds for all, and no document is read. */
  readonly tiers?: RetireTiers | undefined;
  /** ISO 8601 UTC, now: stands in the dead letters that this writes. */
  readonly now: string;
  /** About how much one call takes; a run goes whole, whatever its size. */
  readonly maxEvents: number;
  /** `next` of the call before, to go on with the same sweep. */
  readonly after?: string | undefined;
}

/** Of which tier a stream's owner is decides how much of it goes: which moment holds, `momentOf` says (`retire-rules`). */
export interface RetireTiers {
  /** ISO 8601 UTC, by tier: what is older goes. */
  readonly before: Readonly<Record<TierName, string>>;
  /** Of whom neither a credential nor a rule puts into one. */
  readonly default: TierName;
  /** Who is in which whose credential named none. */
  readonly rules: TierRules;
}

/**
 * The kind of the documents that say which tier a user's credential named last. Key: the user's stream; value: the tier's
 * name as JSON.
 */
export const tierKind = "tier";
export const tierText = (tier: TierName): string => JSON.stringify(tier);
/** Undefined: it names none. */
export const tierIn = (text: string): TierName | undefined => tierNames.find((name) => tierText(name) === text);

/** What went from one stream; both offsets inclusive. */
export interface RetiredRange {
  readonly stream: StreamKey;
  readonly from: Offset;
  readonly upto: Offset;
  /** Events of the range that nobody had acknowledged: from now on they count as dead. */
  readonly deadLettered: number;
}

export interface Retired {
  readonly streams: readonly RetiredRange[];
  /** Ask again with it; null: the sweep is through. */
  readonly next: string | null;
}

export interface Compact {
  /** ISO 8601 UTC: runs that ended before it. */
  readonly endedBefore: string;
  /** About how many events one call looks at. */
  readonly maxEvents: number;
}

export interface Compacted {
  /** Deltas that became part of a later one. */
  readonly merged: number;
  /** There is more to do. */
  readonly more: boolean;
}
