/**
 * Every alert that holds now, each told once when it begins and once when it is over: to the journal at once, and
 * through an `AlertCarrier` to each sink that the operator has named. What holds and what nobody has taken yet outlives
 * the process, so that a restart neither repeats an alert nor loses one.
 */
import type { Clock } from "../platform/clock.ts";
import type { Deadlines } from "../runtime/deadlines.ts";
import type { AlertCarrier } from "./alert-carrier.ts";
import type { AlertKeep, KeptAlerts } from "./alert-keep.ts";
import type { Alert, Alerts, ToldAlert } from "./alerts.ts";
import type { Journal } from "./journal.ts";
import type { SharedAlerts } from "./shared-alerts.ts";

/** More than there are conditions; a caller that makes up names must not fill the memory. */
const maxActive = 1_000;
/** After a start: how long what held before may take to show itself again. Longer than any rule's own time. */
const settleMs = 180_000;
const loadMs = 5_000;

export interface AlertBoardTerms {
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  readonly journal: Journal;
  readonly carriers: readonly AlertCarrier[];
  /** Undefined: nothing outlives the process. */
  readonly keep?: AlertKeep | undefined;
  /** Where other nodes share the log: decides who of them tells. Undefined: this process does. */
  readonly shared?: Pick<SharedAlerts, "raise" | "resolve" | "taken"> | undefined;
  /** Hears of every alert, too: the application's own. */
  readonly also?: Alerts | undefined;
}

interface Held {
  readonly told: ToldAlert;
  /** Of a former process, and not raised in this one yet. */
  isOld: boolean;
}

/** green: nothing; yellow: a warning, or an alert that nobody has taken; red: something critical. */
export type Health = "green" | "yellow" | "red";

export class AlertBoard implements Alerts {
  private readonly terms: AlertBoardTerms;
  private readonly held = new Map<string, Held>();
  /** What was said before it was known what a former process has left; undefined from then on. */
  private early: (() => void)[] | undefined;
  private isFull = false;

  constructor(terms: AlertBoardTerms) {
    this.terms = terms;
    const { keep, shared } = terms;
    if (shared) for (const carrier of terms.carriers) carrier.onTaken = () => shared.taken();
    if (keep === undefined) return;
    this.early = [];
    // A log that does not answer must not keep alerts from being told.
    const late = new Promise<undefined>((resolve) => void terms.deadlines.after(loadMs, () => resolve(undefined)));
    void Promise.race([keep.load(), late]).then((kept) => this.begin(kept));
  }

  raise(alert: Alert): void {
    if (this.early) return void this.early.push(() => this.raise(alert));
    this.shield(() => this.terms.also?.raise(alert));
    const key = keyOf(alert.name, alert.labels);
    const known = this.held.get(key);
    if (known) {
      known.isOld = false;
      return;
    }
    if (this.held.size >= maxActive) return this.overflow(alert);
    const told: ToldAlert = { ...alert, state: "firing", startedAt: this.timeText() };
    this.held.set(key, { told, isOld: false });
    const { name, severity, summary, labels } = alert;
    this.terms.journal.write(severity === "critical" ? "error" : "warn", "alert.firing", { name, summary, labels });
    if (this.terms.shared) this.terms.shared.raise(key, told);
    else this.tell(told);
  }

  resolve(name: string, labels?: Alert["labels"]): void {
    if (this.early) return void this.early.push(() => this.resolve(name, labels));
    this.shield(() => this.terms.also?.resolve(name, labels));
    const key = keyOf(name, labels);
    const known = this.held.get(key);
    if (known === undefined) return;
    this.held.delete(key);
    this.isFull = false;
    this.terms.journal.write("info", "alert.resolved", { name, labels, startedAt: known.told.startedAt });
    if (this.terms.shared) this.terms.shared.resolve(key);
    else this.tell({ ...known.told, state: "resolved", endedAt: this.timeText() });
  }

  /** What holds now, oldest first. */
  active(): readonly ToldAlert[] {
    return [...this.held.values()].map(({ told }) => told);
  }

  /** By sink: what it has not taken. */
  waiting(): Readonly<Record<string, readonly ToldAlert[]>> {
    return Object.fromEntries(this.terms.carriers.map((carrier) => [carrier.name, carrier.waiting()]));
  }

  get health(): Health {
    const active = this.active();
    if (active.some(({ severity }) => severity === "critical")) return "red";
    return active.length > 0 || this.terms.carriers.some((carrier) => carrier.isFailing) ? "yellow" : "green";
  }

  /** Resolves when what nobody has taken is kept. Never rejects. */
  async close(): Promise<void> {
    for (const carrier of this.terms.carriers) carrier.rest();
    if (this.early === undefined) await this.terms.keep?.save(() => this.kept());
  }

  private begin(kept: KeptAlerts | undefined): void {
    for (const told of kept?.active ?? []) this.held.set(keyOf(told.name, told.labels), { told, isOld: true });
    for (const carrier of this.terms.carriers) {
      carrier.onTaken = () => this.save();
      carrier.carry(kept?.waiting[carrier.name] ?? []);
    }
    const early = this.early ?? [];
    this.early = undefined;
    for (const said of early) said();
    if (this.held.size > 0) this.terms.deadlines.after(settleMs, () => this.dropOld());
  }

  /** What held before and does not any more is over. */
  private dropOld(): void {
    for (const { told, isOld } of [...this.held.values()]) if (isOld) this.resolve(told.name, told.labels);
  }

  private tell(told: ToldAlert): void {
    for (const carrier of this.terms.carriers) carrier.carry([told]);
    this.save();
  }

  private save(): void {
    void this.terms.keep?.save(() => this.kept());
  }

  private kept(): KeptAlerts {
    return { active: this.active(), waiting: this.waiting() };
  }

  private overflow({ name }: Alert): void {
    if (!this.isFull) this.terms.journal.write("error", "alert.tooMany", { name, active: this.held.size });
    this.isFull = true;
  }

  private shield(call: () => void): void {
    try {
      call();
    } catch (cause) {
      this.terms.journal.write("error", "alert.callbackFailed", { cause });
    }
  }

  private timeText(): string {
    return new Date(this.terms.clock.now()).toISOString();
  }
}

/** One name with the same labels in any order is one condition. */
function keyOf(name: string, labels: Alert["labels"] = {}): string {
  const sorted = Object.entries(labels).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([name, sorted]);
}
