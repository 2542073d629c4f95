/**
 * Takes an audit log up where the last process left it: locks it, drops a line that a crash tore, and says what is not
 * as it was left. A chain that is broken goes on behind what its head knows, so that the break stays to be seen.
 */
import { mkdirSync } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { open } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import * as Effect from "effect/Effect";
import { InvalidConfig } from "../errors.ts";
import type { ChainEnd } from "./audit-chain.ts";
import { chainStart, holdsSeal, maxLineBytes, readChainLine } from "./audit-chain.ts";
import type { AuditFileOptions } from "./audit-file.ts";
import { AuditFile } from "./audit-file.ts";
import { fullFiles, ownerOnly, readHead, writeHead } from "./audit-folder.ts";
import { linesOf } from "./audit-lines.ts";

/** The last process may still be on its way out. */
const lockWaitMs = 2_000;
const setting = "RUNCAST_AUDIT";

interface Tail {
  /** Of the last whole line; undefined: there is none, or it is none of ours. */
  readonly end: ChainEnd | undefined;
  readonly isEmpty: boolean;
  readonly wholeBytes: number;
  readonly tornBytes: number;
}

/** How a file ends. */
async function tailOf(handle: FileHandle, key: string | undefined): Promise<Tail> {
  const { size } = await handle.stat();
  const from = Math.max(0, size - 2 * maxLineBytes);
  let isHalf = from > 0;
  let last = "";
  let wholeBytes = from;
  for await (const { text, endsAt, isWhole } of linesOf(handle, from)) {
    if (!isWhole) break;
    if (!isHalf) last = text;
    isHalf = false;
    wholeBytes = endsAt;
  }
  const line = readChainLine(last);
  const isOurs = line !== undefined && holdsSeal(line.body, line.hash, key);
  return {
    end: isOurs ? { n: line.n, hash: line.hash } : undefined,
    isEmpty: size === 0,
    wholeBytes,
    tornBytes: size - wholeBytes,
  };
}

/** How the newest full file ends: the current one is young. */
async function fullTail(file: string, key: string | undefined): Promise<Tail | undefined> {
  const path = (await fullFiles(file)).at(-1)?.path;
  if (path === undefined) return undefined;
  const handle = await open(path, "r");
  try {
    return await tailOf(handle, key);
  } finally {
    await handle.close();
  }
}

async function lock(file: string): Promise<() => void> {
  // Loaded here: who keeps no audit log has no lock.
  const { SqliteLock } = await import("../log/sqlite-lock.ts");
  try {
    const held = new SqliteLock({ path: file, lockWaitMs });
    return () => held.release();
  } catch {
    throw new InvalidConfig({ setting, message: `cannot have ${file}: it is in use by another process` });
  }
}

async function takeUp({ file: name, ...rest }: AuditFileOptions): Promise<AuditFile> {
  // In a folder that is gone Node would look for a relative path's parent for ever, when a new file is begun.
  const file = resolve(name);
  const options = { ...rest, file };
  const { key, alerts } = options;
  mkdirSync(dirname(file), { recursive: true });
  const release = await lock(file);
  try {
    const handle = await open(file, "a+", ownerOnly);
    await handle.chmod(ownerOnly);
    const tail = await tailOf(handle, key);
    const { end: last } = tail.isEmpty ? ((await fullTail(file, key)) ?? tail) : tail;
    const head = await readHead(file, key);
    const known = head.kind === "head" ? head.end : chainStart;
    const end = last !== undefined && last.n >= known.n ? last : known;
    // A head that is behind is one that a crash kept from being written.
    const isNew = tail.isEmpty && end.n === 0 && head.kind === "none";
    const isAsLeft = isNew || ((last?.n ?? 0) >= known.n && head.kind === "head");
    if (isNew) await writeHead(file, end, key);
    if (tail.tornBytes > 0) await handle.truncate(tail.wholeBytes);
    const audit = new AuditFile(options, { end, handle, size: tail.wholeBytes, release });
    audit.record({
      action: "audit_opened",
      details: { ...(tail.tornBytes > 0 && { tornBytes: tail.tornBytes }), ...(!isAsLeft && { broken: true }) },
    });
    if (!isAsLeft)
      alerts.raise({
        name: "AuditChainBroken",
        severity: "critical",
        summary: `The audit log ${file} is not as it was left: \`runcast audit verify\` says where`,
      });
    return audit;
  } catch (cause) {
    release();
    throw cause;
  }
}

/**
 * Opens the audit log in a file until the scope closes.
 *
 * Fails: `InvalidConfig` when the file cannot be had.
 */
export function auditFile(options: AuditFileOptions) {
  const opened = Effect.tryPromise({
    try: () => takeUp(options),
    catch: (cause) =>
      cause instanceof InvalidConfig
        ? cause
        : new InvalidConfig({
            setting,
            message: `cannot write ${options.file}: ${cause instanceof Error ? cause.message : String(cause)}; off keeps no audit log`,
          }),
  });
  return Effect.acquireRelease(opened, (audit) => Effect.promise(() => audit.close()));
}
