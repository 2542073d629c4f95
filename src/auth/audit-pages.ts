/** Reads entries of an audit log from behind a number, without reading what stands before: lines are ordered by theirs. */
import type { FileHandle } from "node:fs/promises";
import { open } from "node:fs/promises";
import { readChainLine } from "./audit-chain.ts";
import { codeOf, fullFiles } from "./audit-folder.ts";
import { linesOf } from "./audit-lines.ts";
import type { AuditPage, AuditQuery, AuditRecord } from "./audit-log.ts";

/** Lines that one call looks at: who may see few of them reads on with the next. */
const maxLinesRead = 5_000;
/** Closer than this it reads line by line. Bytes. */
const nearBytes = 65_536;

/** The number of the first whole line behind a position, and where it begins. */
async function firstBehind(handle: FileHandle, position: number): Promise<{ n: number; at: number } | undefined> {
  let at = position;
  // From the middle of a file the first line is half a line.
  let isHalf = position > 0;
  for await (const line of linesOf(handle, position)) {
    const found = isHalf ? undefined : readChainLine(line.text);
    if (found !== undefined) return { n: found.n, at };
    isHalf = false;
    at = line.endsAt;
  }
  return undefined;
}

/** Where to begin so that nothing behind `after` is left out and little before it is read. */
async function beginAt(handle: FileHandle, after: number): Promise<number> {
  let low = 0;
  let high = (await handle.stat()).size;
  while (high - low > nearBytes) {
    const middle = Math.floor((low + high) / 2);
    const found = await firstBehind(handle, middle);
    if (found === undefined || found.n > after) high = middle;
    else low = found.at;
  }
  return low;
}

async function openFile(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, "r");
  } catch (cause) {
    if (codeOf(cause) === "ENOENT") return undefined;
    throw cause;
  }
}

/** The page. Fails: the file system's errors. */
export async function readAuditPage(file: string, { after, limit, sees }: AuditQuery): Promise<AuditPage> {
  const paths = [...(await fullFiles(file)).map(({ path }) => path), file];
  const handles: FileHandle[] = [];
  try {
    for (const path of paths) {
      const handle = await openFile(path);
      if (handle !== undefined) handles.push(handle);
    }
    // The last file that begins at or before it.
    let first = 0;
    for (const [index, handle] of handles.entries())
      if (((await firstBehind(handle, 0))?.n ?? Number.POSITIVE_INFINITY) <= after + 1) first = index;
    const entries: AuditRecord[] = [];
    let read = 0;
    for (const handle of handles.slice(first)) {
      for await (const { text } of linesOf(handle, await beginAt(handle, after))) {
        const line = readChainLine(text);
        if (line === undefined || line.n <= after) continue;
        if (sees(line.record)) entries.push(line.record);
        read += 1;
        if (entries.length === limit || read === maxLinesRead) return { entries, next: line.n };
      }
    }
    return { entries, next: null };
  } finally {
    for (const handle of handles) await handle.close();
  }
}
