import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { eventData } from "../../protocol/event.ts";
import { commands } from "../../src/cli/commands.ts";
import { settings } from "../../src/settings.ts";
import { memoryLog } from "../../src/log/memory.ts";
import { settingsOf as publisherSettings } from "../../src/publisher/options.ts";
import { settingsOf } from "../../src/runtime/options.ts";
import { metrics } from "../../src/telemetry/metrics.ts";
import { Page, root } from "./page.ts";

/** The members of an interface, those it picks from another included, read off the source. */
function membersOf(file: string, name: string): string[] {
  const source = readFileSync(join(root, file), "utf8");
  const [, head = "", body = ""] =
    new RegExp(`export interface ${name}\\s+(extends[\\s\\S]*?)?\\{\\n([\\s\\S]*?)\\n\\}`).exec(source) ?? [];
  const picked = [...head.matchAll(/"(\w+)"/g)];
  const own = [...body.matchAll(/^ {2}readonly (\w+)\??:/gm)];
  return [...own, ...picked].map(({ 1: member = "" }) => member);
}
const names = (rows: readonly (readonly string[])[]) => rows.map(([first = ""]) => first).toSorted();

describe("the page on embedding", () => {
  const rows = new Page("docs/embedding.md").table("Options");

  it("names every option of createRuncast, and no other", () => {
    expect(names(rows)).toEqual(membersOf("src/runcast.ts", "RuncastOptions").toSorted());
  });

  it("gives the runtime's own defaults", () => {
    const log = memoryLog();
    const defaults: Record<string, unknown> = settingsOf({
      log,
      authenticate: () => Promise.reject(new Error("nobody")),
    });
    const shown = rows.filter(
      ([name = "", value = ""]) => ["number", "boolean"].includes(typeof defaults[name]) && value,
    );
    expect(shown.length).toBeGreaterThan(6);
    for (const [name = "", value] of shown) expect(value, name).toBe(String(defaults[name]));
    expect(rows.find(([name]) => name === "contamination")?.[1]).toBe(defaults["contamination"]);
  });

  it("names every call of a Runcast", () => {
    const page = new Page("docs/embedding.md");
    const calls = names(page.table("What you get")).map((call) => call.replace(/\(.*/, ""));
    const source = readFileSync(join(root, "src/runcast.ts"), "utf8");
    const body = /export interface Runcast \{\n([\s\S]*?)\n\}/.exec(source)?.[1] ?? "";
    const members = [...body.matchAll(/^ {2}(?:readonly )?(\w+)[(:]/gm)].map(({ 1: member = "" }) => member);
    expect(calls).toEqual(members.toSorted());
  });
});

describe("the page on the run machine", () => {
  const rows = new Page("docs/run-machine.md").table("What events say").map(([type = "", data = ""]) => [type, data]);

  it("names every event type, and the application's own", () => {
    expect(rows.map(([type]) => type)).toEqual([...Object.keys(eventData), "x.…"]);
  });

  it.each(Object.entries(eventData))("names what %s says, and what of it may be missing", (type, { shape }) => {
    const data = rows.find(([name]) => name === type)?.[1] ?? "";
    // What stands in brackets are values, and parts of parts.
    const shown = data
      .replaceAll(/\(.*?\)|\{.*?\}|\[.*?\]|, at most .*/g, "")
      .split(",")
      .map((part) => part.replaceAll(" ", ""));
    const keys = Object.entries(shape).map(([key, schema]) => (schema._zod.optin === "optional" ? `${key}?` : key));
    expect(shown).toEqual(keys);
  });
});

describe("the page on the client", () => {
  it("names every option of connect, and no other", () => {
    const rows = new Page("docs/client.md").table("Options");
    expect(names(rows)).toEqual(membersOf("src/client/options.ts", "ConnectOptions").toSorted());
  });
});

describe("the page on runners", () => {
  it("names every option of runAiSdk, and no other", () => {
    const rows = new Page("docs/runners.md").table("AI SDK: `runcast/ai-sdk`");
    expect(names(rows)).toEqual(membersOf("src/runners/ai-sdk.ts", "RunAiSdkOptions").toSorted());
  });
});

describe("the page on runners in a process of their own", () => {
  const page = new Page("docs/runners.md");
  const rows = page.table("In a process of its own: `runcast/publisher`");

  it("names every option of connectPublisher, and no other", () => {
    expect(names(rows)).toEqual(membersOf("src/publisher/options.ts", "PublisherOptions").toSorted());
  });

  it("gives the publisher's own defaults", () => {
    const defaults: object = publisherSettings({ url: "http://127.0.0.1", apiKey: "key" });
    const shown = rows.filter(([, value = ""]) => /^\d+$/.test(value));
    expect(shown.map(([name = ""]) => [name, String(Reflect.get(defaults, name))])).toEqual(
      shown.map(([name, value]) => [name, value]),
    );
    expect(shown.length).toBe(3);
  });
});

describe("the page on operations", () => {
  it("names every setting with its default, and no other", () => {
    const rows = new Page("docs/operations.md").table("Settings").map(([variable, value]) => [variable, value]);
    expect(rows).toEqual(Object.values(settings).map(({ env, default: value }) => [env, value]));
  });

  it("names every metric", () => {
    const { text } = new Page("docs/operations.md");
    expect(metrics.filter(({ name }) => !text.includes(`\`${name}\``)).map(({ name }) => name)).toEqual([]);
  });
});

describe("the page on the command line", () => {
  const { text } = new Page("docs/cli.md");

  it.each(commands.map((command) => [command.name, command] as const))("names every flag of %s", (name, command) => {
    const section = text.split(/^## /m).find((part) => part.startsWith(`\`runcast ${name}\``)) ?? "";
    const shown = new Set([...section.matchAll(/`--([a-z-]+)`/g)].map(({ 1: flag = "" }) => flag));
    expect([...shown].toSorted()).toEqual(Object.keys(command.flags).toSorted());
    for (const { code } of command.exitCodes) expect(section).toContain(code);
  });
});
