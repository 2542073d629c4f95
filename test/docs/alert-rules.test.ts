import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { freshPage, freshRuleFile } from "../../scripts/alert-rules.ts";
import { alertRules } from "../../src/telemetry/alert-rules.ts";
import { metrics } from "../../src/telemetry/metrics.ts";
import { root } from "./page.ts";

const text = (path: string) => readFileSync(join(root, path), "utf8");

describe("the Prometheus rule file", () => {
  const file = text("deploy/prometheus/runcast.rules.yml");

  it("is what the rules of the process make it", () => {
    expect(file).toBe(freshRuleFile());
    expect([...file.matchAll(/- alert: (\w+)/g)].map(({ 1: name }) => name)).toEqual(
      alertRules.map(({ name }) => name),
    );
  });

  it("asks for metrics that there are", () => {
    const known = new Set(metrics.map(({ name }) => name));
    const asked = [...file.matchAll(/\b((?:runcast|nodejs|process)_\w+)/g)].map(({ 1: name = "" }) => name);
    expect(asked.length).toBeGreaterThan(8);
    expect(asked.filter((name) => !known.has(name))).toEqual([]);
  });

  it("is shipped", () => {
    expect(JSON.parse(text("package.json")).files).toContain("deploy");
  });
});

describe("the table of alerts", () => {
  it("is what the rules of the process make it", () => {
    const page = text("docs/operations.md");
    expect(freshPage(page)).toBe(page);
  });
});
