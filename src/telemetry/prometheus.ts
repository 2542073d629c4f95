/**
 * The metrics as Prometheus text (exposition format 0.0.4): what `/metrics` answers. Of several workers each sample
 * bears the label `worker`: summed up, a counter would fall when one of them dies, and an alert on one would drown.
 */
import type { Figures, Labels, Sample } from "./metric.ts";
import { metrics } from "./metrics.ts";

export const prometheusContentType = "text/plain; version=0.0.4; charset=utf-8";

/** What one process counts, by the metric's name. JSON: it travels between processes. */
export type Collected = Readonly<Record<string, readonly Sample[]>>;

export interface WorkerPage {
  readonly worker: number;
  readonly samples: Collected;
}

const escaped = (value: string): string =>
  value.replaceAll("\\", String.raw`\\`).replaceAll('"', String.raw`\"`).replaceAll("\n", String.raw`\n`);

function labelText(labels: Labels | undefined): string {
  if (labels === undefined) return "";
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return `{${pairs.join(",")}}`;
}

export function collected(figures: Figures): Collected {
  return Object.fromEntries(metrics.map(({ name, read }) => [name, read(figures)]));
}

function textOf(samplesOf: (name: string) => readonly Sample[]): string {
  let text = "";
  for (const { name, kind, help } of metrics) {
    text += `# HELP ${name} ${help}\n# TYPE ${name} ${kind}\n`;
    for (const { labels, suffix = "", value } of samplesOf(name))
      text += `${name}${suffix}${labelText(labels)} ${value}\n`;
  }
  return text;
}

/** One page of metrics. */
export function prometheusText(figures: Figures): string {
  const samples = collected(figures);
  return textOf((name) => samples[name] ?? []);
}

/** One page for all workers. */
export function prometheusTextOf(pages: readonly WorkerPage[]): string {
  return textOf((name) =>
    pages.flatMap(({ worker, samples }) =>
      (samples[name] ?? []).map((sample) => ({ ...sample, labels: { worker: String(worker), ...sample.labels } })),
    ),
  );
}
