/** The page on testing against the code: every option, every rule and every call of the kit is named. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import * as kit from "../../src/testing/index.ts";
import { Page, root } from "./page.ts";

const source = (file: string): string => readFileSync(join(root, "src/testing", file), "utf8");
/** The members of an interface that it names itself. */
function ownMembers(file: string, name: string): string[] {
  const body = new RegExp(`export interface ${name}\\b[^{]*\\{\\n([\\s\\S]*?)\\n\\}`).exec(source(file))?.[1] ?? "";
  return [...body.matchAll(/^ {2}(?:readonly )?(\w+)[(?:<]/gm)].map(({ 1: member = "" }) => member);
}

describe("the page on testing", () => {
  const { text } = new Page("docs/testing.md");
  const prose = text.replaceAll(/^```[\s\S]*?^```$/gm, "");
  const named = new Set([...prose.matchAll(/`([^`]+)`/g)].flatMap(({ 1: code = "" }) => code.match(/[\w-]+/g) ?? []));
  const missing = (names: readonly string[]): string[] => names.filter((name) => !named.has(name));

  it.each([
    ["test-runcast.ts", "TestRuncastOptions"],
    ["test-runcast.ts", "TestRuncast"],
    ["world/faulty-log.ts", "LogFaults"],
    ["world/network.ts", "NetworkFaults"],
    ["runner/play.ts", "PlayOptions"],
    ["runner/play.ts", "Played"],
    ["runner/examine-runner.ts", "ExamineOptions"],
    ["runner/stage.ts", "Stage"],
  ])("names every member of %s %s", (file, name) => {
    const members = ownMembers(file, name).filter((member) => !["schedule", "extent"].includes(member));
    expect(members.length).toBeGreaterThan(2);
    expect(missing(members)).toEqual([]);
  });

  it("names every rule, every twist and every function", () => {
    const rules = [...source("runner/finding.ts").matchAll(/^ {2}\| "([\w-]+)"/gm)].map(({ 1: rule = "" }) => rule);
    expect(rules).toHaveLength(11);
    expect(missing(rules)).toEqual([]);
    const functions = Object.entries(kit).flatMap(([name, value]) =>
      typeof value === "function" && /^[a-z]/.test(name) ? [name] : [],
    );
    expect(missing(functions.filter((name) => name !== "scheduleText"))).toEqual([]);
  });

  it("gives the kit's own defaults", () => {
    const shown = (option: string) => new RegExp(`^\\| \`${option}\` \\| ([^|]+) \\|`, "m").exec(text)?.[1];
    const set = (file: string, name: string) =>
      new RegExp(`const ${name} = ([\\d_]+);`).exec(source(file))?.[1]?.replaceAll("_", "");
    expect(shown("schedules")).toBe(set("runner/examine-runner.ts", "defaultSchedules"));
    expect(shown("maxSteps")).toBe(set("runner/play.ts", "defaultMaxSteps"));
    expect(shown("patienceMs")).toBe(set("runner/play.ts", "defaultPatienceMs"));
    expect(shown("maxEventsAfterCancel")).toBe(set("runner/play.ts", "defaultMaxEventsAfterCancel"));
  });
});
