import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { metrics } from "../../src/telemetry/metrics.ts";
import { root } from "./page.ts";

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly h: number; readonly w: number; readonly x: number; readonly y: number };
  readonly targets?: readonly { readonly refId: string; readonly expr: string }[];
}

const text = readFileSync(join(root, "deploy/grafana/runcast.json"), "utf8");
const { panels, templating } = JSON.parse(text) as {
  panels: readonly Panel[];
  templating: { list: readonly { name: string }[] };
};
const expressions = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));

describe("the Grafana dashboard", () => {
  it("asks for metrics that there are, and for their labels", () => {
    const kinds = new Map(metrics.map(({ name, kind }) => [name, kind]));
    for (const expression of expressions) {
      const [, asked = "", suffix = ""] = /((?:runcast|nodejs|process)_\w+?)(_bucket)?(?=\{|$)/.exec(expression) ?? [];
      expect(kinds.has(asked), expression).toBe(true);
      expect(suffix === "_bucket", expression).toBe(kinds.get(asked) === "histogram");
      // A counter is shown by how it grows, a gauge as it is.
      expect(/rate\(|increase\(/.test(expression), expression).toBe(kinds.get(asked) !== "gauge");
    }
    const names = [...text.matchAll(/\b(?:runcast|nodejs|process)_[a-z_]+/g)].map(([name]) =>
      name.replace(/_bucket$/, ""),
    );
    expect(names.filter((name) => !kinds.has(name))).toEqual([]);
  });

  it("uses variables that it has", () => {
    const known = new Set([...templating.list.map(({ name }) => name), "__rate_interval", "__all"]);
    const used = [...text.matchAll(/\$\{?(\w+)/g)].map(({ 1: name = "" }) => name);
    expect(used.filter((name) => !known.has(name))).toEqual([]);
  });

  it("shows what an operator is promised: delivery, throughput, latency, fallback, breakers, isolation, queues, loop, ledger", () => {
    for (const name of [
      ...["runcast_deliveries_total", "runcast_events_accepted_total", "runcast_commit_to_sent_seconds"],
      ...["runcast_sent_to_acked_seconds", "runcast_notices_told_total", "runcast_breaker_opened_total"],
      ...["runcast_isolation_refusals_total", "runcast_queue_depth", "nodejs_eventloop_delay_seconds"],
      ...["runcast_ledger_difference", "runcast_health"],
    ])
      expect(text).toContain(name);
  });

  it("has one id for each panel, and no panel on another", () => {
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    for (const [index, a] of panels.entries())
      for (const b of panels.slice(index + 1)) {
        const [p, q] = [a.gridPos, b.gridPos];
        const apart = p.x + p.w <= q.x || q.x + q.w <= p.x || p.y + p.h <= q.y || q.y + q.h <= p.y;
        expect(apart, `${a.title} and ${b.title}`).toBe(true);
        expect(p.x + p.w).toBeLessThanOrEqual(24);
      }
  });
});
