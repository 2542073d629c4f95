/**
 * What users' credentials said of their tier, for when they are away. Where tiers keep events for different times it is kept
 * as documents, so that it outlives the process and every node knows it: else a sweep would take a user's events early. Stands
 * between `tiers`, which asks at once, and the log, which answers later.
 */
import type { StreamKey } from "../../protocol/ids.ts";
import type { TierName } from "../../protocol/tier-rules.ts";
import { documentOf } from "../log/documents.ts";
import type { EventLog } from "../log/event-log.ts";
import { tierIn, tierKind, tierText } from "../log/housekeeping.ts";
import { Lru } from "../log/lru.ts";
import type { Clock } from "../platform/clock.ts";

const maxClaims = 100_000;
/** What another node may have heard since is asked for again. */
const freshMs = 60_000;
/** Documents that are looked at together: their writes share a commit. */
const maxTogether = 64;

export interface TierClaimsTerms {
  readonly log: Pick<EventLog, "documents" | "putDocument" | "isShared">;
  readonly clock: Pick<Clock, "mono">;
  /** Whether anything but limits depends on them. */
  readonly areKept: boolean;
}

interface Known {
  /** Undefined: the credential names none, or nobody has come with one. */
  readonly tier: TierName | undefined;
  readonly heardMono: number;
}

export class TierClaims {
  private readonly terms: TierClaimsTerms;
  private readonly known = new Lru<StreamKey, Known>(maxClaims);
  /** Heard, and not yet held against what is stored. */
  private readonly unsaved = new Map<StreamKey, Known>();
  private readonly asked = new Map<StreamKey, Promise<void>>();
  private saving: Promise<void> | undefined;

  constructor(terms: TierClaimsTerms) {
    this.terms = terms;
  }

  /** A credential was taken that says so of its user; undefined: it says nothing. */
  note(stream: StreamKey, tier: TierName | undefined): void {
    const before = this.known.get(stream);
    const heard = this.remember(stream, tier);
    if (!this.terms.areKept) return;
    // Where others write, too, what is stored may be another by now.
    if (before !== undefined && before.tier === tier && !this.terms.log.isShared) return;
    this.unsaved.set(stream, heard);
    // What cannot be written now is written before the next sweep.
    this.save().catch(() => {});
  }

  /** As far as it is known here; what is not, or may be old, is asked for, for the next time. */
  of(stream: StreamKey): TierName | undefined {
    const known = this.known.get(stream);
    if (this.isStale(known)) void this.ask(stream);
    return known?.tier;
  }

  /** Resolves when it is known here, or cannot be known now. Undefined: it is known already. */
  recall(stream: StreamKey): Promise<void> | undefined {
    return this.terms.areKept && this.known.get(stream) === undefined ? this.ask(stream) : undefined;
  }

  /** After it all that was heard is stored. Fails: `LogUnavailable`, `LogFull`: then nobody may act on what is stored. */
  save(): Promise<void> {
    if (this.unsaved.size === 0) return Promise.resolve();
    this.saving ??= this.saveAll();
    return this.saving;
  }

  private async saveAll(): Promise<void> {
    try {
      while (this.unsaved.size > 0) {
        const some = [...this.unsaved].slice(0, maxTogether);
        const done = await Promise.allSettled(some.map(([stream, heard]) => this.saveOne(stream, heard)));
        for (const outcome of done) if (outcome.status === "rejected") throw outcome.reason;
      }
    } finally {
      this.saving = undefined;
    }
  }

  private async saveOne(stream: StreamKey, heard: Known): Promise<void> {
    const { log } = this.terms;
    if ((await this.stored(stream)) !== heard.tier) {
      const value = heard.tier && tierText(heard.tier);
      await log.putDocument({ kind: tierKind, key: stream, value });
    }
    // A newer word may have come meanwhile: it is the next.
    if (this.unsaved.get(stream) === heard) this.unsaved.delete(stream);
  }

  private isStale(known: Known | undefined): boolean {
    const { areKept, log, clock } = this.terms;
    if (!areKept) return false;
    return known === undefined || (log.isShared === true && clock.mono() - known.heardMono >= freshMs);
  }

  private ask(stream: StreamKey): Promise<void> {
    const before = this.known.get(stream);
    const asked =
      this.asked.get(stream) ??
      this.stored(stream)
        .then((tier) => {
          // What a credential said meanwhile is newer.
          if (this.known.get(stream) === before) this.remember(stream, tier);
        })
        .catch(() => {
          // The rules hold until the log answers.
        })
        .finally(() => this.asked.delete(stream));
    this.asked.set(stream, asked);
    return asked;
  }

  private async stored(stream: StreamKey): Promise<TierName | undefined> {
    const found = await documentOf(this.terms.log, tierKind, stream);
    return found && tierIn(found.value);
  }

  private remember(stream: StreamKey, tier: TierName | undefined): Known {
    const known = { tier, heardMono: this.terms.clock.mono() };
    this.known.set(stream, known);
    this.known.trim();
    return known;
  }
}
