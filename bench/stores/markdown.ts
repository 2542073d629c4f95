/** Figures as a page shows them, and the pages' measured parts, each between its marks. */
import { readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";

export function table(names: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [
    line(names),
    `|${names.map((_, index) => (index === 0 ? "---|" : "---:|")).join("")}`,
    ...rows.map(line),
  ].join("\n");
}

/** Where and with what it was measured, in one sentence. */
export function provenance(part: string, versions: readonly string[], rounds: number): string {
  const [cpu] = cpus();
  const machine = `${cpus().length} × ${cpu?.model.trim() ?? "an unknown CPU"}`;
  const software = [`Node ${process.versions.node}`, ...versions.filter((version) => version !== "")].join(", ");
  const day = new Date().toISOString().slice(0, "2026-11-29".length);
  return `Measured by \`npm run bench -- ${part}\`, ${day}, ${machine}, ${software}, median of ${rounds}.`;
}

const scalePage = new URL("../../docs/scale.md", import.meta.url);
const mark = (part: string): readonly [string, string] => [
  `<!-- measured: ${part} -->`,
  `<!-- end of measured: ${part} -->`,
];

/** Puts what was measured into docs/scale.md, between the marks of its part. */
export function writeMeasured(part: string, text: string): void {
  const page = readFileSync(scalePage, "utf8");
  const [begin, end] = mark(part);
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from === -1 || to === -1) throw new Error(`docs/scale.md has lost the marks of ${part}`);
  writeFileSync(scalePage, `${page.slice(0, from + begin.length)}\n${text}\n${page.slice(to)}`);
}
