/** `runcast audit verify` and `runcast audit tail`: the audit log from its files, with or without a server beside them. */
import { statSync } from "node:fs";
import type { ChainEnd } from "../auth/audit-chain.ts";
import type { AuditRecord } from "../auth/audit-log.ts";
import { readAuditPage } from "../auth/audit-pages.ts";
import { readHead } from "../auth/audit-folder.ts";
import { verifyAudit } from "../auth/audit-verify.ts";
import { auditKey } from "../config-values.ts";
import type { Arguments } from "./command-line.ts";
import { Failure, UsageError } from "./command-line.ts";
import { auditKeyVariable } from "./operator-commands.ts";
import { readConfig } from "./identity.ts";

const defaultLines = 20;
const maxLines = 1_000;

export async function audit(given: Arguments): Promise<number> {
  const [what] = given.positionals;
  if (what !== "verify" && what !== "tail")
    throw new UsageError(
      `what to do? runcast audit verify, or runcast audit tail${what === undefined ? "" : `, not ${JSON.stringify(what)}`}`,
    );
  const after = afterOf(given);
  const lines = linesOf(given);
  const file = await fileOf(given);
  if (!isThere(file) && !isThere(`${file}.head`)) throw new Failure(`there is no audit log at ${file}`);
  return what === "verify" ? verify(file, keyOf(given), after) : tail(file, keyOf(given), lines);
}

const isThere = (path: string): boolean => statSync(path, { throwIfNoEntry: false }) !== undefined;

async function fileOf(given: Arguments): Promise<string> {
  const named = given.given("file");
  if (named !== undefined) return named;
  const { audit: configured } = await readConfig(given, ["store"]);
  if (configured === undefined) throw new Failure("this server keeps no audit log; --file names one");
  return configured;
}

async function verify(file: string, key: string | undefined, after: ChainEnd | undefined): Promise<number> {
  const verdict = await verifyAudit({ file, key, after });
  if (verdict.kind === "whole") {
    process.stdout.write(`whole: ${verdict.count} entries, head ${verdict.end.n}:${verdict.end.hash}\n`);
    return 0;
  }
  process.stdout.write(`${verdict.fault}: ${verdict.file} line ${verdict.line}: ${verdict.what}\n`);
  return 1;
}

function keyOf(given: Arguments): string | undefined {
  const variable = given.text("key-env") ?? auditKeyVariable;
  const key = process.env[variable] ?? "";
  if (key === "" && given.has("key-env")) throw new Failure(`${variable} is not set`);
  if (key !== "" && auditKey(key) === undefined) throw new Failure(`${variable} must be at least 32 bytes`);
  return key === "" ? undefined : key;
}

function afterOf(given: Arguments): ChainEnd | undefined {
  const text = given.text("after");
  if (text === undefined) return undefined;
  const [, n = "", hash = ""] = /^(\d{1,15}):((?:sha256|hmac):[0-9a-f]{64})$/.exec(text) ?? [];
  if (n === "") throw new UsageError("--after must be the head that an earlier verification printed: <number>:<hash>");
  return { n: Number(n), hash };
}

function linesOf(given: Arguments): number {
  const lines = Number(given.text("lines") ?? defaultLines);
  if (Number.isInteger(lines) && lines >= 1 && lines <= maxLines) return lines;
  throw new UsageError(`--lines must be a whole number from 1 to ${maxLines}`);
}

async function tail(file: string, key: string | undefined, lines: number): Promise<number> {
  const head = await readHead(file, key);
  const last = head.kind === "head" ? head.end.n : 0;
  const { entries } = await readAuditPage(file, {
    after: Math.max(0, last - lines),
    limit: maxLines,
    sees: () => true,
  });
  for (const entry of entries.slice(-lines)) process.stdout.write(`${lineOf(entry)}\n`);
  return 0;
}

/** Control characters of ids never reach the terminal: JSON escapes them. */
function lineOf({ n, time, action, hash: _hash, ...rest }: AuditRecord): string {
  const shown = Object.entries(rest).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  return [`#${n}`, time, action, ...shown].join("  ");
}
