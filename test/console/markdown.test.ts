import { describe, expect, it } from "vitest";
import { parseInline, parseMarkdown } from "../../src/console/markdown.ts";

describe("markdown", () => {
  it("reads bold, italic, code and links, and leaves the rest alone", () => {
    expect(parseInline("a **b c** and *d*, `x*y*z`, [site](https://example.org/a), 2*3*4")).toEqual([
      { type: "text", text: "a " },
      { type: "bold", content: [{ type: "text", text: "b c" }] },
      { type: "text", text: " and " },
      { type: "italic", content: [{ type: "text", text: "d" }] },
      { type: "text", text: ", " },
      { type: "code", text: "x*y*z" },
      { type: "text", text: ", " },
      { type: "link", text: "site", href: "https://example.org/a" },
      { type: "text", text: ", 2*3*4" },
    ]);
  });

  it("keeps names with underscores whole", () => {
    expect(parseInline("tool_executing and agent_started")).toEqual([
      { type: "text", text: "tool_executing and agent_started" },
    ]);
  });

  it("reads code and names inside italics", () => {
    expect(parseInline("_set `A_KEY` or an_other_")).toEqual([
      {
        type: "italic",
        content: [
          { type: "text", text: "set " },
          { type: "code", text: "A_KEY" },
          { type: "text", text: " or an_other" },
        ],
      },
    ]);
  });

  it("makes no link that a click could not safely follow", () => {
    expect(parseInline("[x](javascript:alert(1))").every((part) => part.type === "text")).toBe(true);
    expect(parseInline("[x](data:text/html,y)").every((part) => part.type === "text")).toBe(true);
  });

  it("keeps markup of others as text", () => {
    expect(parseMarkdown("<img src=x onerror=alert(1)>")).toEqual([
      { type: "paragraph", content: [{ type: "text", text: "<img src=x onerror=alert(1)>" }] },
    ]);
  });

  it("reads headings, lists, quotes, rules and fenced code", () => {
    const blocks = parseMarkdown(
      "# T\n\n- one\n- **two**\n\n1. a\n2. b\n\n> q\n\n---\n```ts\nlet a = 1;\n\n# no\n```\nend",
    );
    expect(blocks.map((block) => block.type)).toEqual([
      "heading",
      "list",
      "list",
      "quote",
      "rule",
      "code",
      "paragraph",
    ]);
    expect(blocks[1]).toMatchObject({ ordered: false, items: [[{ text: "one" }], [{ type: "bold" }]] });
    expect(blocks[2]).toMatchObject({ ordered: true });
    expect(blocks[5]).toEqual({ type: "code", language: "ts", text: "let a = 1;\n\n# no" });
  });

  it("reads every beginning of a text that is still being written", () => {
    const text = "## Sum\n\n1. `a`\n2. **b**\n\n```js\nx\n```\n[l](https://e.org)";
    for (let length = 0; length <= text.length; length += 1) {
      expect(() => parseMarkdown(text.slice(0, length))).not.toThrow();
    }
    expect(parseMarkdown("```js\nlet x")).toEqual([{ type: "code", language: "js", text: "let x" }]);
  });

  it("stays fast on text made to be slow", () => {
    const startedAt = performance.now();
    parseMarkdown(`${"*a".repeat(20_000)}${"[".repeat(20_000)}${"**x ".repeat(5_000)}${" _a".repeat(10_000)}`);
    expect(performance.now() - startedAt).toBeLessThan(500);
  });
});
