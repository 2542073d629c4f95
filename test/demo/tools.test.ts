import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { DocsSearch } from "../../src/demo/docs-search.ts";
import { intentOf } from "../../src/demo/intent.ts";
import { timeIn, UnknownZone, zonesIn } from "../../src/demo/world-clock.ts";

describe("world clock", () => {
  const now = new Date("2026-11-21T22:30:00Z");

  it("tells the time of a zone or a city, with its date and offset", () => {
    expect(timeIn("Asia/Tokyo", now)).toEqual({
      zone: "Asia/Tokyo",
      time: "07:30",
      date: "Sunday, 22 November 2026",
      offset: "GMT+9",
    });
    expect(timeIn("new york", now).time).toBe("17:30");
  });

  it("refuses a zone that does not exist", () => {
    expect(() => timeIn("Middle/Earth", now)).toThrow(UnknownZone);
  });

  it("finds the places in a question, each zone once", () => {
    const found = zonesIn("What time is it in Tokyo, New York, Japan and San Francisco?");
    expect(found.map(({ zone }) => zone)).toEqual(["Asia/Tokyo", "America/New_York", "America/Los_Angeles"]);
  });
});

describe("intent", () => {
  const callsOf = (question: string) => {
    const intent = intentOf(question);
    return intent.kind === "tools"
      ? intent.calls.map(({ toolName, args }) => [toolName, Object.values(args)[0]])
      : intent.kind;
  };

  it.each<[string, unknown]>([
    ["What is 12 * (3 + 4)?", [["calculator", "12 * (3 + 4)"]]],
    [
      "15% of 2,480, and the time in Tokyo?",
      [
        ["calculator", "15% of 2,480"],
        ["clock", "Asia/Tokyo"],
      ],
    ],
    ["How much is 6 times 7?", [["calculator", "6 * 7"]]],
    ["what time is it?", [["clock", "UTC"]]],
    ["How does a client resume?", [["searchDocs", "How does a client resume?"]]],
    ["What happened on 2026-11-21?", [["searchDocs", "What happened on 2026-11-21?"]]],
    ["Search the web for tech news", "webSearch"],
    ["Show me a model error", "error"],
    ["What does a client do on an error?", [["searchDocs", "What does a client do on an error?"]]],
    ["Hello!", "greeting"],
  ])("makes of %j what a model would", (question, expected) => {
    expect(callsOf(question)).toEqual(expected);
  });

  it("always has something to do, and never more than a few calls", () => {
    const many = intentOf("1+1 2+2, 3+3, 4+4, 5+5, time in Tokyo, Paris, London, Rome, Berlin");
    expect(many.kind === "tools" ? many.calls.length : 0).toBe(4);
    expect(callsOf("?")).toHaveLength(1);
  });
});

describe("docs search", () => {
  const docs = new DocsSearch(fileURLToPath(new URL("../../", import.meta.url)));

  it("finds the section that a question is about, with a file that says so", async () => {
    const hits = await docs.search("Which transition is legal for tool_executing in the run machine?");
    expect(hits.length).toBeGreaterThan(0);
    expect(hits.map(({ path }) => path).join()).toContain("run-machine.md");
    for (const { excerpt } of hits) expect(excerpt.length).toBeLessThanOrEqual(300);
  });

  it("finds nothing where there is nothing", async () => {
    expect(await docs.search("zyzzyva qwertz")).toEqual([]);
    expect(await new DocsSearch("/nonexistent").search("run")).toEqual([]);
  });
});
