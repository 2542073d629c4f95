/**
 * The demo's `searchDocs` tool: a ranked search over the project's own pages (README, CHANGELOG, docs). Sections
 * are ranked by BM25; the index is built at the first question, and bounded.
 */
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";

export interface DocsHit {
  readonly title: string;
  /** File and heading, as in `docs/run-machine.md`. */
  readonly path: string;
  readonly excerpt: string;
}

interface Section {
  readonly title: string;
  readonly path: string;
  readonly text: string;
  readonly counts: ReadonlyMap<string, number>;
  readonly length: number;
}

const maxFiles = 200;
const maxFileBytes = 262_144;
const maxSections = 3_000;
const maxHits = 3;
const excerptChars = 280;
/** A word in the heading is worth this many in the text. */
const titleWeight = 3;
// The usual values of BM25: how soon repetition stops to count, and how much length is held against a section.
const saturation = 1.2;
const lengthPenalty = 0.75;

const stopWords = new Set(
  "a about an and are as at be by can do does for from has have how i if in is it its me my not of on or our so that the their then there this to was we what when where which who why will with you your".split(
    " ",
  ),
);

/** Words as they are compared: lower case, without the endings that only grammar wants. */
function terms(text: string): string[] {
  const words = text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
  return words.flatMap((word) => {
    if (stopWords.has(word)) return [];
    return [word.length > 4 ? word.replace(/(?:ing|ed|es|s|e)$/, "") : word];
  });
}

const withoutMarkup = (text: string) =>
  text
    .replaceAll(/```[\s\S]*?```/g, " ")
    .replaceAll(/^\s*(?:[-*+]|\d+\.) +/gm, "")
    .replaceAll(/!?\[([^\]]*)\]\([^)]*\)/g, "$1")
    .replaceAll(/<[^>\n]*>|[`*>|#]+|(?<!\w)_+|_+(?!\w)/g, " ")
    .replaceAll(/:?-{3,}:?/g, " ")
    .replaceAll(/\s+/g, " ")
    .trim();

function sectionsOf(path: string, page: string): Section[] {
  const parts = page.split(/^(?=#{1,4} )/m);
  return parts.flatMap((part) => {
    const heading = /^#{1,4} +(.+)$/m.exec(part)?.[1];
    const body = part.replace(/^#{1,4} .*$/m, "");
    const whole = withoutMarkup(body);
    if (whole === "") return [];
    // A table is found by its words, and read badly in an excerpt.
    const text = withoutMarkup(body.replaceAll(/^\s*\|.*$/gm, "")) || whole;
    const title = heading === undefined ? path : withoutMarkup(heading);
    const words = [...terms(whole), ...Array.from({ length: titleWeight }, () => terms(title)).flat()];
    const counts = new Map<string, number>();
    for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
    return [{ title, path, text, counts, length: words.length }];
  });
}

async function pages(root: string): Promise<string[]> {
  const names = async (folder: string, recursive: boolean) =>
    (await readdir(join(root, folder), { recursive }).catch(() => [])).map((name) => join(folder, name));
  const files = [...(await names(".", false)), ...(await names("docs", true))];
  return files
    .filter((name) => name.endsWith(".md"))
    .toSorted()
    .slice(0, maxFiles);
}

async function readSections(root: string): Promise<Section[]> {
  const sections: Section[] = [];
  for (const path of await pages(root)) {
    const { size } = await stat(join(root, path));
    if (size > maxFileBytes || sections.length >= maxSections) continue;
    sections.push(...sectionsOf(path, await readFile(join(root, path), "utf8")));
  }
  return sections.slice(0, maxSections);
}

/** The part of a text that has most of the words, cut at words. */
function excerptOf(text: string, wanted: ReadonlySet<string>): string {
  const sentences = text.split(/(?<=[.!?]) /);
  let best = 0;
  let bestScore = -1;
  for (const [at, sentence] of sentences.entries()) {
    const score = new Set(terms(sentence).filter((word) => wanted.has(word))).size;
    if (score > bestScore) [best, bestScore] = [at, score];
  }
  const from = sentences.slice(best).join(" ");
  return from.length <= excerptChars ? from : `${from.slice(0, from.lastIndexOf(" ", excerptChars))} …`;
}

export class DocsSearch {
  private readonly root: string;
  private index: Promise<readonly Section[]> | undefined;

  constructor(root: string) {
    this.root = root;
  }

  /** The best sections for a question, best first; none when no word of it is in the docs. */
  async search(question: string): Promise<readonly DocsHit[]> {
    this.index ??= readSections(this.root);
    const sections = await this.index;
    const wanted = new Set(terms(question));
    const meanLength = sections.reduce((sum, { length }) => sum + length, 0) / Math.max(sections.length, 1);
    const weights = new Map(
      [...wanted].map((word) => {
        const holding = sections.filter(({ counts }) => counts.has(word)).length;
        return [word, Math.log(1 + (sections.length - holding + 0.5) / (holding + 0.5))];
      }),
    );
    const scored = sections.map((section) => {
      let score = 0;
      for (const [word, weight] of weights) {
        const count = section.counts.get(word) ?? 0;
        const relativeLength = 1 - lengthPenalty + (lengthPenalty * section.length) / meanLength;
        score += (weight * count * (saturation + 1)) / (count + saturation * relativeLength);
      }
      return { section, score };
    });
    return scored
      .filter(({ score }) => score > 0)
      .toSorted((left, right) => right.score - left.score)
      .slice(0, maxHits)
      .map(({ section: { title, path, text } }) => ({ title, path, excerpt: excerptOf(text, wanted) }));
  }
}
