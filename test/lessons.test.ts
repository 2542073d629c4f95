import { globSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { lessons } from "./lessons-index.ts";

const root = fileURLToPath(new URL("../", import.meta.url));
const lessonCount = 51;
const structureFile = "test/structure/one-authority.test.ts";
const read = (file: string): string => readFileSync(`${root}${file}`, "utf8");

/** Whether the file declares a test of this title: written as a call of `it`, whatever its quotes. */
function declares(source: string, title: string): boolean {
  for (let at = source.indexOf(title); at >= 0; at = source.indexOf(title, at + 1)) {
    const before = source.slice(0, at).trimEnd();
    const quote = before.at(-1);
    const closes = source[at + title.length] === quote;
    const call = /\b(?:it|test)(?:\.(?:each|for)\b[\s\S]{0,5000})?\(\s*$/;
    if (closes && (quote === '"' || quote === "'" || quote === "`") && call.test(before.slice(0, -1))) return true;
  }
  return false;
}

describe("lessons", () => {
  it("are fifty-one, each with a proof", () => {
    expect(lessons.map(({ number }) => number)).toEqual(Array.from({ length: lessonCount }, (_, index) => index + 1));
    for (const { number, proofs } of lessons) expect(proofs, `lesson ${number}`).not.toHaveLength(0);
  });

  it.each(lessons)("$number, $law: $failure", ({ proofs }) => {
    for (const proof of proofs) {
      if ("rule" in proof) expect(read(structureFile), proof.rule).toContain(`says: "${proof.rule}"`);
      else expect(declares(read(proof.file), proof.title), `${proof.file}: ${proof.title}`).toBe(true);
    }
  });

  it("finds no test that is skipped or left out", () => {
    const files = globSync("{test,property-tests,examples}/**/*.test.{ts,tsx}", { cwd: root });
    expect(files.length).toBeGreaterThan(100);
    const leftOut = /\b(?:it|test|describe)\.(?:skip|only|todo|skipIf|runIf|fails)\b/;
    expect(files.filter((file) => leftOut.test(read(file)))).toEqual([]);
  });
});
