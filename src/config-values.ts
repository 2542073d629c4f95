/** The readers of single settings, before `config`: text in, a checked value or `undefined` out. No I/O. */
import * as Effect from "effect/Effect";
import { InvalidConfig } from "./errors.ts";

export interface Setting {
  readonly env: string;
  readonly default: string;
  /** What would be right, for errors and for `--help`. */
  readonly right: string;
  /** Never shown. */
  readonly secret?: boolean;
}

export type StoreSetting =
  | { readonly kind: "sqlite"; readonly file: string }
  | { readonly kind: "memory" }
  /** Shared by several nodes. The URL may hold a password: it is not to be shown. */
  | { readonly kind: "postgres" | "redis"; readonly url: string };

export const storeShape = "sqlite:<file>, memory:, postgres://<host>/<database> or redis://<host>";

/** Whether others may write to it as well. */
export const isSharedStore = ({ kind }: StoreSetting): boolean => kind === "postgres" || kind === "redis";

const maxShownChars = 100;

/** The error of a bad value. */
export function wrong(setting: Setting, called: string, text: string): InvalidConfig {
  const shown = setting.secret ? "what was given" : `"${text.slice(0, maxShownChars).toWellFormed()}"`;
  return new InvalidConfig({ setting: called, message: `cannot be ${shown}; right is ${setting.right}` });
}

export const plainText = (text: string): string | undefined =>
  text !== "" && !/[\s\p{Cc}]/u.test(text) ? text : undefined;

export const wholeNumber =
  (min: number, max: number) =>
  (text: string): number | undefined => {
    if (!/^\d{1,15}$/.test(text)) return undefined;
    const value = Number(text);
    return value >= min && value <= max ? value : undefined;
  };

export const oneOf =
  <Word extends string>(...words: readonly Word[]) =>
  (text: string): Word | undefined =>
    words.find((word) => word === text);

/** Some of these words, separated by commas; `none` is none of them. */
export const listOf =
  <Word extends string>(words: readonly Word[]) =>
  (text: string): readonly Word[] | undefined => {
    if (text === "none") return [];
    const named = text.split(",").map((item) => item.trim());
    const found = words.filter((word) => named.includes(word));
    return found.length === new Set(named).size ? found : undefined;
  };

/** Where people look; empty is nowhere. */
export function publicUrl(text: string): string | undefined {
  if (text === "") return "";
  return /^https?:\/\//.test(text) && URL.canParse(text) && !/[\s\p{Cc}]/u.test(text) ? text : undefined;
}

export function flag(text: string): boolean | undefined {
  if (text === "1" || text === "true") return true;
  return text === "0" || text === "false" ? false : undefined;
}

/** An origin as browsers send it, or undefined. */
function originOf(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  const isBare = url.pathname === "/" && url.search === "" && url.hash === "" && url.username === "";
  return isBare && (url.protocol === "https:" || url.protocol === "http:") ? url.origin : undefined;
}

export function originList(text: string): readonly string[] | undefined {
  const origins: string[] = [];
  for (const part of text.split(",").map((item) => item.trim())) {
    if (part === "") continue;
    const origin = originOf(part);
    if (origin === undefined) return undefined;
    origins.push(origin);
  }
  return origins;
}

/** Hosts that only this machine reaches. */
export function isLoopbackHost(host: string): boolean {
  const bare = host.replace(/^\[(.*)\]$/, "$1").toLowerCase();
  return bare === "localhost" || bare === "::1" || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(bare);
}

export function jwksUrl(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  if (url.protocol === "https:") return url.href;
  // Keys that travel in the clear can be swapped on the way.
  return url.protocol === "http:" && isLoopbackHost(url.hostname) ? url.href : undefined;
}

interface Given {
  readonly text: string;
  readonly called: string;
}

/** Shows a connection string without its password. */
const scheme = (text: string): string => `${text.split(":", 1)[0] ?? ""}:…`;

export function store(given: Given, setting: Setting): Effect.Effect<StoreSetting, InvalidConfig> {
  const { text, called } = given;
  if (text === "memory:") return Effect.succeed({ kind: "memory" });
  const file = /^sqlite:(.+)$/.exec(text)?.[1];
  if (file !== undefined && !file.includes("\0")) return Effect.succeed({ kind: "sqlite", file });
  if (isRedisUrl(text)) return Effect.succeed({ kind: "redis", url: text });
  if (/^postgres(ql)?:\/\//.test(text)) return Effect.succeed({ kind: "postgres", url: text });
  return Effect.fail(wrong(setting, called, /@|^(rediss?|postgres(ql)?):/.test(text) ? scheme(text) : text));
}

const isRedisUrl = (text: string): boolean => /^rediss?:\/\/\S+$/.test(text) && URL.canParse(text);

export const spoolShape = "file:<directory>, redis://<host>, or none";

export type SpoolSetting =
  | { readonly kind: "file"; readonly directory: string }
  | { readonly kind: "redis"; readonly url: string }
  | { readonly kind: "none" };

export function spool(given: Given, setting: Setting): Effect.Effect<SpoolSetting, InvalidConfig> {
  const { text, called } = given;
  if (text === "none") return Effect.succeed({ kind: "none" });
  const directory = /^file:(.+)$/.exec(text)?.[1];
  if (directory !== undefined && !directory.includes("\0")) return Effect.succeed({ kind: "file", directory });
  if (isRedisUrl(text)) return Effect.succeed({ kind: "redis", url: text });
  return Effect.fail(wrong(setting, called, text.includes("@") ? scheme(text) : text));
}

/** Where the audit log is kept; undefined: nowhere. */
export type AuditSetting = string | undefined;

/** Beside a store with a file; a store without one keeps nothing, and so does its audit log. */
function auditBeside(where: StoreSetting): AuditSetting {
  // Not under the store's own name: who restores a store deletes what begins with it.
  return where.kind === "sqlite" ? `${where.file.replace(/\.[^./\\]*$/, "")}.audit.jsonl` : undefined;
}

/** `file:<file>`, `off`, or nothing said. */
export function audit(given: Given, setting: Setting, where: StoreSetting): Effect.Effect<AuditSetting, InvalidConfig> {
  const { text, called } = given;
  if (text === "") return Effect.succeed(auditBeside(where));
  if (text === "off") return Effect.succeed(undefined);
  const file = /^file:(.+)$/.exec(text)?.[1];
  return file !== undefined && !file.includes("\0") ? Effect.succeed(file) : Effect.fail(wrong(setting, called, text));
}

const minAuditKeyBytes = 32;

/** A key that seals, or none. */
export const auditKey = (text: string): string | undefined =>
  text === "" || Buffer.byteLength(text) >= minAuditKeyBytes ? text : undefined;
