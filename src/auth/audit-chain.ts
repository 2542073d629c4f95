/**
 * One line of the audit log: its number, its time, its entry, the hash of the line before and its own, over the very
 * bytes that stand there. With a key the hash is an HMAC, which nobody can make anew who has only the file.
 */
import { createHmac, hash, timingSafeEqual } from "node:crypto";
import { parseJson } from "../../protocol/json.ts";
import type { AuditEntry, AuditRecord } from "./audit-log.ts";

/** Where a chain stands: its last line. */
export interface ChainEnd {
  readonly n: number;
  readonly hash: string;
}

export interface ChainLine extends ChainEnd {
  readonly prev: string;
  readonly isKeyed: boolean;
  readonly record: AuditRecord;
  /** What the hash is over. */
  readonly body: string;
}

/** Before the first line. */
export const chainStart: ChainEnd = { n: 0, hash: "start" };

/** Ids have 256 characters, and details are few: no line of ours is longer. Bytes. */
export const maxLineBytes = 16_384;
const maxDetailChars = 200;
const lineLimits = { maxChars: maxLineBytes, maxDepth: 4, maxKeys: 64 };
const lineShape =
  /^(\{"n":(\d{1,15}),"time":"[^"]*","entry":\{.*\},"prev":"([^"]*)"),"hash":"((sha256|hmac):[0-9a-f]{64})"\}$/s;

/** The hash of a text, with its kind before it. */
export function sealOf(text: string, key: string | undefined): string {
  return key === undefined
    ? `sha256:${hash("sha256", text, "hex")}`
    : `hmac:${createHmac("sha256", key).update(text).digest("hex")}`;
}

/** Whether a text has this seal; one that is keyed holds for nobody who has not the key. */
export function holdsSeal(text: string, seal: string, key: string | undefined): boolean {
  const made = Buffer.from(sealOf(text, seal.startsWith("hmac:") ? key : undefined));
  const given = Buffer.from(seal);
  return made.length === given.length && timingSafeEqual(made, given);
}

function shortened(details: AuditEntry["details"]): AuditEntry["details"] {
  if (details === undefined) return undefined;
  const short = (value: string | number | boolean) =>
    typeof value === "string" && value.length > maxDetailChars ? value.slice(0, maxDetailChars).toWellFormed() : value;
  return Object.fromEntries(Object.entries(details).map(([name, value]) => [name, short(value)]));
}

/** The next line of a chain, without its line feed, and where the chain stands then. */
export function nextLine(
  end: ChainEnd,
  entry: AuditEntry,
  time: string,
  key: string | undefined,
): { readonly text: string; readonly end: ChainEnd } {
  const n = end.n + 1;
  const { action, tenantId, userId, connectionId, by, details } = entry;
  const written = JSON.stringify({ action, tenantId, userId, connectionId, by, details: shortened(details) });
  const body = `{"n":${n},"time":"${time}","entry":${written},"prev":"${end.hash}"`;
  const seal = sealOf(body, key);
  return { text: `${body},"hash":"${seal}"}`, end: { n, hash: seal } };
}

/** A line as it was read; undefined: it is none of ours. */
export function readChainLine(text: string): ChainLine | undefined {
  const [, body, n, prev, seal, kind] = lineShape.exec(text) ?? [];
  if (body === undefined || prev === undefined || seal === undefined) return undefined;
  const json = parseJson(text, lineLimits);
  if (!json.ok) return undefined;
  const { time, entry } = json.value as { readonly time: string; readonly entry: AuditEntry };
  const at = Number(n);
  return { n: at, hash: seal, prev, body, isKeyed: kind === "hmac", record: { n: at, time, ...entry, hash: seal } };
}
