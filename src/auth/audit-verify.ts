/**
 * Walks the chain of an audit log from its first line to its head and says where it breaks first, and how. Behind
 * `runcast audit verify`; it needs the files only, and works beside a server that writes them.
 */
import type { ChainEnd } from "./audit-chain.ts";
import { chainStart, readChainLine } from "./audit-chain.ts";
import type { AuditHead } from "./audit-folder.ts";
import { codeOf, fullFiles, readHead } from "./audit-folder.ts";
import { linesOfFile } from "./audit-lines.ts";
import type { AuditFault, Broken, Misplaced } from "./audit-walk.ts";
import { AuditWalk } from "./audit-walk.ts";

export type AuditVerdict =
  | { readonly kind: "whole"; readonly count: number; readonly end: ChainEnd }
  | {
      readonly kind: "broken";
      readonly fault: AuditFault;
      readonly file: string;
      /** From 1, in that file. */
      readonly line: number;
      readonly what: string;
    };

export interface VerifyOptions {
  readonly file: string;
  readonly key?: string | undefined;
  /** The last entry of what was archived, where the oldest files are elsewhere. */
  readonly after?: ChainEnd | undefined;
}

interface Place {
  readonly file: string;
  readonly line: number;
  readonly text: string;
  readonly isWhole: boolean;
}

/** Every line of every file of the log, oldest first. */
async function* placesOf(file: string): AsyncGenerator<Place> {
  for (const path of [...(await fullFiles(file)).map((full) => full.path), file]) {
    let line = 0;
    try {
      for await (const { text, isWhole } of linesOfFile(path)) {
        line += 1;
        yield { file: path, line, text, isWhole };
      }
    } catch (cause) {
      // Between a full file and the next line there is no current one.
      if (codeOf(cause) !== "ENOENT") throw cause;
    }
  }
}

/**
 * Verifies a log.
 *
 * Fails: the file system's errors, when it cannot be read.
 */
export async function verifyAudit({ file, key, after = chainStart }: VerifyOptions): Promise<AuditVerdict> {
  // Before the lines: a server that writes them meanwhile is ahead of its head, never behind.
  const head = await readHead(file, key);
  const walk = new AuditWalk(after, head.kind === "head" ? head.end : undefined, key);
  const places = placesOf(file);
  const broken = ({ line, file: path }: Pick<Place, "file" | "line">, { fault, what }: Broken): AuditVerdict => ({
    kind: "broken",
    fault,
    file: path,
    line,
    what,
  });
  let last: Pick<Place, "file" | "line"> = { file, line: 0 };
  for await (const place of places) {
    last = place;
    if (!place.isWhole && place.file === file)
      return broken(place, missingAtEnd(walk, head) ?? { fault: "torn", what: "the last line ends in the middle" });
    const wrong = walk.take(place.text);
    if (wrong?.fault === "misplaced") return broken(place, await placedRight(wrong, places));
    if (wrong !== undefined) return broken(place, wrong);
  }
  const wrong = missingAtEnd(walk, head) ?? headless(walk, head, key);
  return wrong === undefined ? { kind: "whole", count: walk.end.n - after.n, end: walk.end } : broken(last, wrong);
}

function missingAtEnd({ end }: AuditWalk, head: AuditHead): Broken | undefined {
  if (head.kind !== "head" || head.end.n <= end.n) return undefined;
  return { fault: "cut", what: `the log ends with entry ${end.n}; its head knows entry ${head.end.n}` };
}

function headless({ end, isKeyed }: AuditWalk, head: AuditHead, key: string | undefined): Broken | undefined {
  if (head.kind === "none")
    return end.n === 0 ? undefined : { fault: "no head", what: "the head file is missing: the end may be, too" };
  if (head.kind === "broken") return { fault: "changed", what: "the head file is not what was written" };
  // Who rewrites all lines without the key can rewrite the head, too; but neither is sealed with it then.
  return key !== undefined && (!isKeyed || !head.isKeyed)
    ? { fault: "changed", what: "the log does not end sealed with this key" }
    : undefined;
}

/** What should stand where a good line stands: does it come later? */
async function placedRight({ expected, n }: Misplaced, rest: AsyncGenerator<Place>): Promise<Broken> {
  const here = `entry ${n} stands where entry ${expected} should`;
  if (n < expected) return { fault: "reordered", what: here };
  for await (const { text } of rest) if (readChainLine(text)?.n === expected) return { fault: "reordered", what: here };
  const missing = expected === n - 1 ? `entry ${expected} is` : `entries ${expected} to ${n - 1} are`;
  return { fault: "removed", what: `${missing} missing before entry ${n}` };
}
