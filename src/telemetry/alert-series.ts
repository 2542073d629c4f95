/**
 * What an alert rule finds: its expression over the metrics of now and of the window before. A history holds no more
 * than the counters that rules ask for, once a look.
 */
import type { AlertRule, Expression, Term } from "./alert-rules.ts";
import { windowMs } from "./alert-rules.ts";
import type { Figures, Labels, Sample } from "./metric.ts";
import { metrics } from "./metrics.ts";

export interface Found {
  readonly labels: Labels;
  readonly value: number;
}

interface Look {
  readonly atMono: number;
  /** By counter and labels. */
  readonly values: ReadonlyMap<string, number>;
}

const noLabels: Labels = {};
const byName = new Map(metrics.map((metric) => [metric.name, metric]));
const nameOf = (term: Term): string => ("now" in term ? term.now : term.growth);
const termsOf = (expression: Expression): readonly Term[] =>
  "share" in expression ? [expression.share, expression.of] : [expression];
const keyOf = (name: string, labels: Labels): string =>
  labels === noLabels ? name : `${name}${JSON.stringify(Object.entries(labels))}`;

/** The labels of a sample without those that the term asks for; undefined: it is not asked for. */
function labelsOf({ labels = noLabels, suffix }: Sample, where: Labels): Labels | undefined {
  if (suffix !== undefined) return undefined;
  for (const name in where) if (labels[name] !== where[name]) return undefined;
  if (labels === noLabels) return noLabels;
  return Object.fromEntries(Object.entries(labels).filter(([name]) => where[name] === undefined));
}

function samplesOf(term: Term, figures: Figures): readonly Found[] {
  const found: Found[] = [];
  for (const sample of byName.get(nameOf(term))?.read(figures) ?? []) {
    const labels = labelsOf(sample, term.where ?? noLabels);
    if (labels) found.push({ labels, value: sample.value });
  }
  return found;
}

export class AlertSeries {
  private readonly counters: readonly Term[];
  /** Within the window, oldest first. */
  private readonly looks: Look[] = [];
  /** Where the window begins; undefined while the process is younger: its counters began at 0. */
  private before: Look["values"] | undefined;

  constructor(rules: readonly AlertRule[]) {
    this.counters = rules.flatMap(({ expression }) => termsOf(expression)).filter((term) => "growth" in term);
  }

  /** Remembers the counters of now, and forgets what is older than the window. */
  look(atMono: number, figures: Figures): void {
    const values = new Map<string, number>();
    for (const term of this.counters)
      for (const { labels, value } of samplesOf(term, figures)) values.set(keyOf(nameOf(term), labels), value);
    this.looks.push({ atMono, values });
    while ((this.looks[0]?.atMono ?? atMono) <= atMono - windowMs) this.before = this.looks.shift()?.values;
  }

  /** Every series of a rule with its value; NaN where a share is of nothing. */
  found({ expression }: AlertRule, figures: Figures): readonly Found[] {
    if (!("share" in expression)) return this.values(expression, figures);
    const whole = this.values(expression.of, figures);
    return this.values(expression.share, figures).map(({ labels, value }) => {
      const of = whole.find((each) => keyOf("", each.labels) === keyOf("", labels));
      return { labels, value: value / (of?.value ?? 0) };
    });
  }

  private values(term: Term, figures: Figures): readonly Found[] {
    const samples = samplesOf(term, figures);
    if ("now" in term) return samples;
    // A series that was not there when the window began has grown from nothing.
    const before = (labels: Labels): number => this.before?.get(keyOf(term.growth, labels)) ?? 0;
    return samples.map(({ labels, value }) => ({ labels, value: value - before(labels) }));
  }
}

/** Whether a value is what the rule warns of. */
export function isBad({ is, than }: AlertRule, value: number): boolean {
  if (Number.isNaN(value)) return false;
  if (is === ">") return value > than;
  return is === "<" ? value < than : value !== than;
}
