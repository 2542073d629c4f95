import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { Page, root } from "./page.ts";

const pages = [
  "README.md",
  ...readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".md"))
    .map((file) => `docs/${file}`),
].map((path) => new Page(path));
const titled = pages.map((page) => [page.path, page] as const);

/** Every example is run by test/examples. */
const examples = readdirSync(join(root, "examples"), { recursive: true, encoding: "utf8" })
  .filter((file) => /\.tsx?$/.test(file))
  .map((file) => readFileSync(join(root, "examples", file), "utf8"));

const scripts: unknown = JSON.parse(readFileSync(join(root, "package.json"), "utf8")).scripts;

describe("the manual", () => {
  it.each(titled)("%s shows no TypeScript that is not part of an example that runs", (_, page) => {
    for (const { language, text, line } of page.code) {
      if (language !== "ts" && language !== "tsx") continue;
      expect(
        examples.some((example) => example.includes(text)),
        `${page.path}:${line}`,
      ).toBe(true);
    }
  });

  it.each(titled)("%s links to what is there", (_, page) => {
    for (const link of page.links) {
      const [path = "", anchor] = link.split("#");
      const target = path === "" ? page.path : join(dirname(page.path), path);
      expect(existsSync(join(root, target)), link).toBe(true);
      if (anchor !== undefined) expect([...new Page(target).anchors], link).toContain(anchor);
    }
  });

  it.each(titled)("%s names npm scripts, folders and source files that exist", (_, page) => {
    for (const [, name = ""] of page.text.matchAll(/npm run ([\w:-]+)/g)) expect(scripts).toHaveProperty([name]);
    for (const [, path = ""] of page.text.matchAll(/`((?:src|machines|protocol|test|examples)\/[\w./-]+)`/g))
      expect(existsSync(join(root, path)), path).toBe(true);
  });

  it("shows code on the README's first page: a server and a client", () => {
    const blocks = pages[0]?.code.filter(({ language }) => language === "ts") ?? [];
    expect(blocks.map(({ text }) => /from "runcast(\/client)?"/.exec(text)?.[0])).toEqual([
      'from "runcast"',
      'from "runcast/client"',
    ]);
  });
});
