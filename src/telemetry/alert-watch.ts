/**
 * Says which alert rules hold, at each look: a rule that holds for its time is raised, one that has not held for its
 * time is resolved. `runtime/lookout` has it look every few seconds.
 */
import type { Clock } from "../platform/clock.ts";
import type { AlertRule } from "./alert-rules.ts";
import { alertRules } from "./alert-rules.ts";
import type { Found } from "./alert-series.ts";
import { AlertSeries, isBad } from "./alert-series.ts";
import type { Alert, Alerts } from "./alerts.ts";
import type { Figures } from "./metric.ts";

const watchedRules = alertRules.filter(({ isRaisedAtOnce }) => isRaisedAtOnce === undefined);
const percent = 100;
const shownDecimals = 3;

export interface AlertWatchTerms {
  readonly alerts: Alerts;
  readonly clock: Clock;
  readonly figures: () => Figures;
}

interface Series {
  readonly rule: AlertRule;
  readonly labels: Found["labels"];
  /** Since when it holds without a break; of one that is raised: when it held last. */
  heldMono: number;
  isRaised: boolean;
}

export class AlertWatch {
  private readonly terms: AlertWatchTerms;
  private readonly series = new AlertSeries(watchedRules);
  /** Only those that hold, or have held a moment ago. */
  private readonly held = new Map<string, Series>();

  constructor(terms: AlertWatchTerms) {
    this.terms = terms;
  }

  look(): void {
    const nowMono = this.terms.clock.mono();
    const figures = this.terms.figures();
    this.series.look(nowMono, figures);
    const bad = new Set<string>();
    for (const rule of watchedRules)
      for (const found of this.series.found(rule, figures)) {
        if (!isBad(rule, found.value)) continue;
        const key = JSON.stringify([rule.name, found.labels]);
        bad.add(key);
        this.holds(key, rule, found, nowMono);
      }
    for (const [key, series] of this.held) if (!bad.has(key)) this.holdsNot(key, series, nowMono);
  }

  private holds(key: string, rule: AlertRule, found: Found, nowMono: number): void {
    const series = this.held.get(key) ?? { rule, labels: found.labels, heldMono: nowMono, isRaised: false };
    this.held.set(key, series);
    if (series.isRaised) series.heldMono = nowMono;
    else if (nowMono - series.heldMono >= rule.forMs) {
      series.isRaised = true;
      series.heldMono = nowMono;
      this.terms.alerts.raise(alertOf(rule, found));
    }
  }

  private holdsNot(key: string, { rule, labels, heldMono, isRaised }: Series, nowMono: number): void {
    if (isRaised && nowMono - heldMono < rule.keepMs) return;
    this.held.delete(key);
    if (isRaised) this.terms.alerts.resolve(rule.name, labels);
  }
}

function alertOf({ name, severity, summary, shows }: AlertRule, { labels, value }: Found): Alert {
  const shown = shows === "percent" ? `${Math.round(value * percent)} %` : String(Number(value.toFixed(shownDecimals)));
  const text = summary.replaceAll(/\{(\w+)\}/g, (_, word: string) =>
    word === "value" ? shown : (labels[word] ?? "unknown"),
  );
  return { name, severity, summary: text, labels };
}
