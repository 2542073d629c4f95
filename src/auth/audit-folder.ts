/**
 * The files of an audit log: the one that is written, the full ones before it (`<file>.1` is the oldest), and the head
 * beside them, which says how far the log had come, so that lines cut from its end are missed.
 */
import { open, readdir, readFile, rename } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { parseJson } from "../../protocol/json.ts";
import type { ChainEnd } from "./audit-chain.ts";
import { holdsSeal, sealOf } from "./audit-chain.ts";

/** Whom an audit log concerns is nobody else's business on the machine. */
export const ownerOnly = 0o600;
const headLimits = { maxChars: 1_024, maxDepth: 1, maxKeys: 8 };
const headFile = (file: string): string => `${file}.head`;

/** The full files of a log, oldest first, each with its number. */
export async function fullFiles(file: string): Promise<readonly { readonly number: number; readonly path: string }[]> {
  const folder = dirname(file);
  const prefix = `${basename(file)}.`;
  const numbers: number[] = [];
  for (const name of await readdir(folder)) {
    const tail = name.startsWith(prefix) ? name.slice(prefix.length) : "";
    if (/^[1-9]\d{0,8}$/.test(tail)) numbers.push(Number(tail));
  }
  return numbers.toSorted((a, b) => a - b).map((number) => ({ number, path: join(folder, `${prefix}${number}`) }));
}

/** What an error of the file system is called: `ENOENT`, `ENOSPC`. */
export function codeOf(cause: unknown): string | undefined {
  return cause instanceof Error && "code" in cause ? String(cause.code) : undefined;
}

export type AuditHead =
  /** There is none. */
  | { readonly kind: "none" }
  /** It is none of ours, or not sealed with this key. */
  | { readonly kind: "broken" }
  | { readonly kind: "head"; readonly end: ChainEnd; readonly isKeyed: boolean };

const headText = ({ n, hash }: ChainEnd): string => JSON.stringify({ n, hash });

export async function readHead(file: string, key: string | undefined): Promise<AuditHead> {
  let text: string;
  try {
    text = await readFile(headFile(file), "utf8");
  } catch (cause) {
    if (codeOf(cause) === "ENOENT") return { kind: "none" };
    throw cause;
  }
  const json = parseJson(text, headLimits);
  const found = (json.ok && typeof json.value === "object" && json.value !== null ? json.value : {}) as Record<
    string,
    unknown
  >;
  const { n, hash, seal } = found;
  if (typeof n !== "number" || !Number.isSafeInteger(n) || typeof hash !== "string" || typeof seal !== "string")
    return { kind: "broken" };
  const isKeyed = seal.startsWith("hmac:");
  // Without the key a keyed seal can be neither made nor checked: what it says is taken as it stands.
  const isOurs = isKeyed && key === undefined ? true : holdsSeal(headText({ n, hash }), seal, key);
  return isOurs ? { kind: "head", end: { n, hash }, isKeyed } : { kind: "broken" };
}

/** Puts the head in the place of the one before it, whole or not at all. */
export async function writeHead(file: string, end: ChainEnd, key: string | undefined): Promise<void> {
  const fresh = `${headFile(file)}.new`;
  const handle = await open(fresh, "w", ownerOnly);
  try {
    await handle.writeFile(`${JSON.stringify({ ...end, seal: sealOf(headText(end), key) })}\n`);
    await handle.datasync();
  } finally {
    await handle.close();
  }
  await rename(fresh, headFile(file));
}
