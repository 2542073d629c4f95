/**
 * Who may not come in any more although the credential is good: users, sessions and API keys, kept as documents. Every
 * check of a credential asks here; what is live is cut by those who hold it, when a revocation is made or heard of.
 */
import { parseTrusted } from "../../protocol/json.ts";
import type { Principal } from "../auth/principal.ts";
import type { EventLog } from "../log/event-log.ts";
import type { Clock } from "../platform/clock.ts";
import type { Journal } from "../telemetry/journal.ts";
import type { Deadlines } from "./deadlines.ts";
import { Polled } from "./polled.ts";
import type { Revocation, RevocationTarget } from "./revocation.ts";
import { keysOf, refusedBy, targetKey } from "./revocation.ts";

/** How much of what was live a revocation ended. */
export interface CutCounts {
  readonly connections: number;
  readonly tickets: number;
  readonly notices: number;
}

/** Ends what it holds of those whom the revocation concerns, now, and says how much. */
export type Cut = (revocation: Revocation) => Partial<CutCounts> | Promise<Partial<CutCounts>>;

export interface RevocationsTerms {
  readonly log: EventLog;
  readonly clock: Clock;
  readonly journal: Journal;
  readonly deadlines: Deadlines;
}

const kind = "revoked";
/** One small document whose version moves with every change: who polls reads no more than this. */
const mark = { kind: "revocations", key: "mark" } as const;
const pageSize = 1_000;

export class Revocations {
  private readonly terms: RevocationsTerms;
  private readonly standing = new Map<string, Revocation>();
  private readonly cuts = new Set<Cut>();
  private markVersion = 0;
  private readonly polled: Polled;

  constructor(terms: RevocationsTerms) {
    this.terms = terms;
    this.polled = new Polled({
      ...terms,
      read: () => this.refresh(),
      onFailed: (cause) => terms.journal.write("error", "revocations.notRead", { cause }),
    });
  }

  /** Reads what is stored; never rejects. A log that does not answer is asked again. */
  load(): Promise<void> {
    return this.polled.load();
  }

  /** Whether somebody with a good credential is to be sent away all the same. */
  refuses(principal: Principal): boolean {
    return (
      this.standing.size > 0 &&
      keysOf(principal).some((key) => {
        const revocation = this.standing.get(key);
        return revocation !== undefined && refusedBy(revocation, principal);
      })
    );
  }

  /** Has `cut` called for every revocation, also those that another process made. */
  onRevoked(cut: Cut): void {
    this.cuts.add(cut);
  }

  /** In the order of their keys: `after` is the last one's. */
  list(after: string, limit: number, sees: (target: RevocationTarget) => boolean): [string, Revocation][] {
    return [...this.standing]
      .filter(([key, revocation]) => key > after && sees(revocation))
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .slice(0, limit);
  }

  /**
   * Holds from now on and cuts what is live.
   *
   * Fails: `LogUnavailable`: it holds in this process and may not be kept. Repeat it.
   */
  async revoke(revocation: Revocation): Promise<CutCounts> {
    const key = targetKey(revocation);
    this.standing.set(key, revocation);
    const counts = await this.cut(revocation);
    await this.terms.log.putDocument({ kind, key, value: JSON.stringify(revocation) });
    await this.moveMark();
    return counts;
  }

  /** Lets them in again. False: nothing stood. Fails: `LogUnavailable`. */
  async lift(target: RevocationTarget): Promise<boolean> {
    const key = targetKey(target);
    await this.terms.log.putDocument({ kind, key, value: undefined });
    await this.moveMark();
    return this.standing.delete(key);
  }

  private async cut(revocation: Revocation): Promise<CutCounts> {
    const total = { connections: 0, tickets: 0, notices: 0 };
    // All are begun at once: one that waits for the log must not keep the others from cutting.
    const begun = [...this.cuts].map(async (cut) => cut(revocation));
    for (const outcome of await Promise.allSettled(begun)) {
      if (outcome.status === "rejected") {
        this.terms.journal.write("error", "revocation.notCut", { cause: outcome.reason });
        continue;
      }
      total.connections += outcome.value.connections ?? 0;
      total.tickets += outcome.value.tickets ?? 0;
      total.notices += outcome.value.notices ?? 0;
    }
    return total;
  }

  private async moveMark(): Promise<void> {
    const answer = await this.terms.log.putDocument({ ...mark, value: "{}" });
    // Another process may have moved it meanwhile: then the next look reads all.
    if (answer.version === this.markVersion + 1) this.markVersion = answer.version;
  }

  private async refresh(): Promise<void> {
    const { log } = this.terms;
    const [found] = await log.documents({ kind: mark.kind, limit: 1 });
    const version = found?.version ?? 0;
    if (version === this.markVersion) return;
    const stored = new Map<string, Revocation>();
    for (let after = ""; ; ) {
      const page = await log.documents({ kind, after, limit: pageSize });
      for (const { key, value } of page) stored.set(key, parseTrusted(value) as Revocation);
      const last = page.at(-1);
      if (last === undefined || page.length < pageSize) break;
      after = last.key;
    }
    this.markVersion = version;
    const fresh = [...stored].filter(([key, { at }]) => this.standing.get(key)?.at !== at);
    this.standing.clear();
    for (const [key, revocation] of stored) this.standing.set(key, revocation);
    for (const [, revocation] of fresh) await this.cut(revocation);
  }
}
