/**
 * API keys of publishers and operators. They come from the configuration, are kept as hashes only, and are compared
 * in constant time: every key is looked at, whichever matches.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import * as Effect from "effect/Effect";
import type { TenantId } from "../../protocol/ids.ts";
import { isTenantId } from "../../protocol/ids.ts";
import { InvalidConfig } from "../errors.ts";
import type { PublisherPrincipal, Right } from "./principal.ts";

export interface ApiKeyEntry {
  readonly principal: PublisherPrincipal;
  /** SHA-256 of the key. */
  readonly digest: Buffer;
}

export const apiKeysShape = "name:key[:tenant,…][:publish+admin], separated by `;`";
const rightNames: readonly string[] = ["publish", "admin"] satisfies Right[];
const maxFields = 4;
const namePattern = /^[A-Za-z0-9_.@-]{1,64}$/;
/** What an HTTP header carries unharmed. */
const keyPattern = /^[\x21-\x7e]{1,1024}$/;

const digestOf = (key: string): Buffer => createHash("sha256").update(key).digest();
const isRights = (text: string): boolean => text !== "" && text.split("+").every((right) => rightNames.includes(right));

/** The keys, and who a presented one is. */
export class ApiKeys {
  private readonly entries: readonly ApiKeyEntry[];

  constructor(entries: readonly ApiKeyEntry[]) {
    this.entries = entries;
  }

  find(key: string): PublisherPrincipal | undefined {
    const digest = digestOf(key);
    let found: PublisherPrincipal | undefined;
    for (const entry of this.entries) if (timingSafeEqual(entry.digest, digest)) found = entry.principal;
    return found;
  }
}

/** An entry from its parts: for dev mode and for embedding. */
export function apiKeyEntry(
  name: string,
  key: string,
  tenants: PublisherPrincipal["tenants"] = "*",
  rights: readonly Right[] = ["publish"],
): ApiKeyEntry {
  return { principal: { kind: "publisher", name, tenants, rights }, digest: digestOf(key) };
}

/**
 * Reads the setting.
 *
 * A third field of right names only (`a:key:admin`) is taken for rights; `a:key:admin:publish` binds a tenant of
 * that name. Fails: `InvalidConfig` naming the entry by its number and name, never by its key.
 */
export const parseApiKeys = Effect.fnUntraced(function* (text: string, setting = "RUNCAST_API_KEYS") {
  const entries: ApiKeyEntry[] = [];
  const names = new Set<string>();
  const digests = new Set<string>();
  for (const [index, part] of text.split(";").entries()) {
    if (part.trim() === "") continue;
    const fields = part.split(":").map((field) => field.trim());
    const [name = "", key = "", ...rest] = fields;
    const fail = (why: string) =>
      new InvalidConfig({
        setting,
        message: `entry ${index + 1}${namePattern.test(name) && fields.length > 1 ? ` (${name})` : ""} ${why}; the form is ${apiKeysShape}`,
      });
    if (fields.length > maxFields) return yield* fail("has more than four fields");
    if (!namePattern.test(name)) return yield* fail("needs a name of 1 to 64 characters of A-Z a-z 0-9 _ . @ -");
    if (!keyPattern.test(key)) return yield* fail("needs a key of printable characters without spaces");
    if (names.has(name)) return yield* fail("has a name that another entry has");
    const entry = yield* readBounds(rest, fail).pipe(
      Effect.map((bounds) => apiKeyEntry(name, key, bounds.tenants, bounds.rights)),
    );
    const digest = entry.digest.toString("base64");
    if (digests.has(digest)) return yield* fail("has a key that another entry has");
    names.add(name);
    digests.add(digest);
    entries.push(entry);
  }
  return entries as readonly ApiKeyEntry[];
});

interface Bounds {
  readonly tenants: PublisherPrincipal["tenants"];
  readonly rights: readonly Right[];
}

/** The optional fields: tenants, rights, or both. */
function readBounds(
  rest: readonly string[],
  fail: (why: string) => InvalidConfig,
): Effect.Effect<Bounds, InvalidConfig> {
  const [third = "", fourth] = rest;
  const [tenantsText, rightsText] = fourth === undefined && isRights(third) ? ["", third] : [third, fourth ?? ""];
  if (rightsText !== "" && !isRights(rightsText))
    return Effect.fail(fail("has rights that are not `publish`, `admin` or `publish+admin`"));
  const rights = rightsText === "" ? (["publish"] as const) : [...new Set(rightsText.split("+"))].filter(isRight);
  if (tenantsText === "" || tenantsText === "*") return Effect.succeed({ tenants: "*", rights });
  const tenants: TenantId[] = [];
  for (const tenant of tenantsText.split(",").map((text) => text.trim())) {
    if (tenant === "*" || !isTenantId(tenant)) return Effect.fail(fail("has a tenant that is not a tenant id"));
    tenants.push(tenant);
  }
  return Effect.succeed({ tenants, rights });
}

const isRight = (text: string): text is Right => rightNames.includes(text);
