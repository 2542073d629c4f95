/** A page of the manual as tests read it: its tables, its code blocks, its links. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../../", import.meta.url));

export interface CodeBlock {
  readonly language: string;
  readonly text: string;
  readonly line: number;
}

export class Page {
  readonly path: string;
  readonly text: string;

  constructor(path: string) {
    this.path = path;
    this.text = readFileSync(root + path, "utf8");
  }

  get code(): readonly CodeBlock[] {
    return [...this.text.matchAll(/^```(\w*).*\n([\s\S]*?)^```$/gm)].map(
      ({ 1: language = "", 2: text = "", index }) => ({
        language,
        text,
        line: this.text.slice(0, index).split("\n").length,
      }),
    );
  }

  /** Targets of links and pictures, without those that leave the project. */
  get links(): readonly string[] {
    const targets = [...this.text.matchAll(/\]\(([^)\s]+)\)/g)].map(({ 1: target = "" }) => target);
    return targets.filter((target) => !/^[a-z]+:/.test(target));
  }

  /** What other pages link to, as in `#what-can-go-wrong`. */
  get anchors(): ReadonlySet<string> {
    const titles = [...this.text.matchAll(/^#+ (.+)$/gm)].map(({ 1: title = "" }) => title);
    return new Set(
      titles.map((title) =>
        title
          .toLowerCase()
          .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
          .replaceAll(" ", "-"),
      ),
    );
  }

  /** The rows of the first table under this heading, as cells without their backticks. */
  table(heading: string): readonly (readonly string[])[] {
    const start = this.text.indexOf(`\n## ${heading}\n`);
    if (start === -1) throw new Error(`${this.path} has no heading "${heading}"`);
    const table = /(?:^\|.*\n)+/m.exec(this.text.slice(start))?.[0] ?? "";
    return table
      .trim()
      .split("\n")
      .slice(2)
      .map((row) =>
        row
          .split("|")
          .slice(1, -1)
          .map((cell) => cell.trim().replaceAll("`", "")),
      );
  }
}
