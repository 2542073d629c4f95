/**
 * What is alerted where several nodes share one log: a condition is told once when the first of them sees it, and once
 * when the last does not see it any more, by whichever node wrote that down. One document for a condition names the nodes
 * that see it and the one that must get it to the sinks; who stands still is left out by the others, each on its own clock.
 * Stands between the alert board and its carriers.
 */
import { createHash } from "node:crypto";
import { parseTrusted } from "../../protocol/json.ts";
import { documentOf, type StoredDocument } from "../log/documents.ts";
import type { EventLog } from "../log/event-log.ts";
import type { Clock } from "../platform/clock.ts";
import type { Deadlines } from "../runtime/deadlines.ts";
import { spread } from "../runtime/spread.ts";
import type { ToldAlert } from "./alerts.ts";
import type { Journal } from "./journal.ts";

const kind = "alert";
/** Between two signs of life of a node, in each document that names it. */
const beatMs = 60_000;
/** Without a sign for so long it is dead, or cut off: what it saw counts no more, what it had to tell another one tells. */
const deadMs = 200_000;
const retryMs = 1_000;
const nodeBytes = 9;
const pageSize = 500;
const maxTries = 16;

/** A document's value. */
interface Shared {
  readonly told: ToldAlert;
  /** Who sees it, with a number that moves while they live. */
  readonly holders: Readonly<Record<string, number>>;
  /** Who must get it to the sinks; undefined once they have it. */
  readonly teller?: { readonly node: string; readonly beat: number } | undefined;
}

interface Change {
  /** Undefined takes the document away. */
  readonly now: Shared | undefined;
  /** What this node has to tell for it. */
  readonly carry?: ToldAlert | undefined;
}

export interface SharedAlertsTerms {
  readonly log: Pick<EventLog, "documents" | "putDocument">;
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  readonly journal: Journal;
  /** Hands it to the carriers. */
  readonly carry: (told: ToldAlert) => void;
  /** Not every sink has it yet. */
  readonly isWaiting: (told: ToldAlert) => boolean;
}

export class SharedAlerts {
  private readonly terms: SharedAlertsTerms;
  private readonly node: string;
  /** What this node sees, by condition. */
  private readonly seen = new Map<string, ToldAlert>();
  /** What this node has to tell, by document. */
  private readonly telling = new Map<string, ToldAlert>();
  /** Signs of life of the others: since when each stands as it does. */
  private signs = new Map<string, { readonly beat: number; readonly sinceMono: number }>();
  private turn: Promise<unknown> = Promise.resolve();

  constructor(terms: SharedAlertsTerms) {
    this.terms = terms;
    this.node = Buffer.from(terms.clock.random(nodeBytes)).toString("base64url");
  }

  /** Begins to give signs of life and to look for those of others; until the wheel stops. */
  start(): void {
    const { clock, deadlines, journal } = this.terms;
    deadlines.after(spread(clock, beatMs), () => {
      const failed = (cause: unknown): void => journal.write("debug", "alerts.notRead", { cause });
      void this.inTurn(() => this.look())
        .catch(failed)
        .then(() => this.start());
    });
  }

  /** This node sees the condition. */
  raise(condition: string, told: ToldAlert): void {
    this.seen.set(condition, told);
    this.settle(condition);
  }

  /** It does not see it any more. */
  resolve(condition: string): void {
    this.seen.delete(condition);
    this.settle(condition);
  }

  /** A sink took something. */
  taken(): void {
    for (const [key, told] of this.telling) {
      if (this.terms.isWaiting(told)) continue;
      this.telling.delete(key);
      this.insist(() => this.change(key, (kept) => finished(kept, told, this.node)));
    }
  }

  private settle(condition: string): void {
    const key = keyOf(condition);
    this.insist(() =>
      this.change(key, (kept) => {
        const told = this.seen.get(condition);
        return told === undefined ? this.left(kept) : this.joined(kept, told);
      }),
    );
  }

  private joined(kept: Shared | undefined, told: ToldAlert): Change | undefined {
    const { node } = this;
    if (kept?.told.state !== "firing")
      return { now: { told, holders: { [node]: 0 }, teller: { node, beat: 0 } }, carry: told };
    return node in kept.holders ? undefined : { now: { ...kept, holders: { ...kept.holders, [node]: 0 } } };
  }

  private left(kept: Shared | undefined): Change | undefined {
    if (kept === undefined || !(this.node in kept.holders)) return undefined;
    const { [this.node]: _, ...holders } = kept.holders;
    return this.without(kept, holders);
  }

  /** Those who see it now; nobody: it is over. */
  private without(kept: Shared, holders: Shared["holders"]): Change {
    if (Object.keys(holders).length > 0 || kept.told.state === "resolved") return { now: { ...kept, holders } };
    const endedAt = new Date(this.terms.clock.now()).toISOString();
    const told: ToldAlert = { ...kept.told, state: "resolved", endedAt };
    return { now: { told, holders, teller: { node: this.node, beat: 0 } }, carry: told };
  }

  /** Gives a sign of life, and leaves out who gave none. */
  private async look(): Promise<void> {
    const signs: typeof this.signs = new Map();
    const found = await this.terms.log.documents({ kind, limit: pageSize });
    for (const { key } of found) await this.change(key, (kept) => kept && this.checked(key, kept, signs));
    this.signs = signs;
  }

  private checked(key: string, kept: Shared, signs: typeof this.signs): Change {
    const isAlive = (name: string, beat: number): boolean => {
      const id = `${key} ${name}`;
      const before = this.signs.get(id);
      const nowMono = this.terms.clock.mono();
      const sign = before?.beat === beat ? before : { beat, sinceMono: nowMono };
      signs.set(id, sign);
      return nowMono - sign.sinceMono < deadMs;
    };
    const holders = Object.fromEntries(
      Object.entries(kept.holders)
        .filter(([name, beat]) => name === this.node || isAlive(name, beat))
        .map(([name, beat]) => [name, name === this.node ? beat + 1 : beat]),
    );
    const { teller } = kept;
    if (teller?.node === this.node)
      return this.without({ ...kept, teller: { ...teller, beat: teller.beat + 1 } }, holders);
    const isTold = teller === undefined || isAlive(`teller ${teller.node}`, teller.beat);
    if (isTold) return this.without(kept, holders);
    const { now, carry } = this.without({ ...kept, teller: { node: this.node, beat: 0 } }, holders);
    return { now, carry: carry ?? kept.told };
  }

  private async change(key: string, decide: (kept: Shared | undefined) => Change | undefined): Promise<void> {
    const { log } = this.terms;
    for (let tries = 0; tries < maxTries; tries += 1) {
      const found = await documentOf(log, kind, key);
      const change = decide(found && sharedOf(found));
      const value = change?.now && JSON.stringify(change.now);
      if (change === undefined || value === found?.value) return;
      const put = await log.putDocument({ kind, key, value, expected: found?.version ?? 0 });
      if (put.kind === "version_conflict") continue;
      if (change.carry !== undefined) this.tell(key, change.carry);
      return;
    }
  }

  private tell(key: string, told: ToldAlert): void {
    this.telling.set(key, told);
    this.terms.carry(told);
    // Where there is no sink it is told.
    queueMicrotask(() => this.taken());
  }

  /** In its turn, and again until the log takes it. */
  private insist(work: () => Promise<void>): void {
    this.inTurn(work).catch((cause: unknown) => {
      this.terms.journal.write("debug", "alerts.notShared", { cause });
      this.terms.deadlines.after(retryMs, () => this.insist(work));
    });
  }

  private inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.turn.then(work);
    this.turn = done.catch(() => {});
    return done;
  }
}

/** All sinks have it: what is over is forgotten, what holds is kept without a teller. */
function finished(kept: Shared | undefined, told: ToldAlert, node: string): Change | undefined {
  if (kept?.teller?.node !== node || kept.told.state !== told.state) return undefined;
  return { now: told.state === "resolved" ? undefined : { ...kept, teller: undefined } };
}

/** One length for all of them, so that none begins with another. */
const keyOf = (condition: string): string => createHash("sha256").update(condition).digest("base64url");
const sharedOf = ({ value }: StoredDocument): Shared => parseTrusted(value) as Shared;
