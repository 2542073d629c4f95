/** The metrics as Prometheus text (exposition format 0.0.4): what `/metrics` answers. */
import type { Figures, Labels } from "./metric.ts";
import { metrics } from "./metrics.ts";

export const prometheusContentType = "text/plain; version=0.0.4; charset=utf-8";

const escaped = (value: string): string =>
  value.replaceAll("\\", String.raw`\\`).replaceAll('"', String.raw`\"`).replaceAll("\n", String.raw`\n`);

function labelText(labels: Labels | undefined): string {
  if (labels === undefined) return "";
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return `{${pairs.join(",")}}`;
}

/** One page of metrics. */
export function prometheusText(figures: Figures): string {
  let text = "";
  for (const { name, kind, help, read } of metrics) {
    text += `# HELP ${name} ${help}\n# TYPE ${name} ${kind}\n`;
    for (const { labels, suffix = "", value } of read(figures))
      text += `${name}${suffix}${labelText(labels)} ${value}\n`;
  }
  return text;
}
