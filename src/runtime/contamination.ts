/**
 * The payload check of isolation (L8): a field that routes must name the owner or nobody. It looks at every depth
 * and cannot be switched off; provenance fields (`senderId`, `creatorId`, `ownerId`) are left alone.
 */
import type { ContaminationPolicy } from "../../protocol/flags.ts";
import type { TenantId, UserId } from "../../protocol/ids.ts";
import { parseTrusted } from "../../protocol/json.ts";
import { Contaminated } from "../errors.ts";

/**
 * `recipientId`, `targetUserId`, `userId`, however case and separators are spelled: parsers of some languages take
 * `UserID` and `user-id` for `userId` (and Go's takes `uſerId`), so these name the same receiver. A letter that only
 * looks alike is another letter to every parser, and passes.
 */
const routingField = /^(?:recipient|target[_-]?user|user)[_-]?id$/iu;

/** Any routing field at all: the common payload has none, and is done after this one scan of its text. */
const anyRoutingField = /"(?:recipient|target[_-]?user|user)[_-]?id"/iu;

const plainKey = /^[\p{L}\p{N}_$-]+$/u;

/** Whose stream it is. */
export interface Owner {
  readonly tenantId: TenantId;
  readonly userId: UserId;
}

/** Objects pass: `userId` may be the name of a parameter in a schema. What stands in them is looked at all the same. */
function namesSomeoneElse(value: unknown, owner: UserId): boolean {
  if (typeof value === "string" || typeof value === "number") return String(value) !== owner;
  return Array.isArray(value) && value.some((item) => namesSomeoneElse(item, owner));
}

/** A key that could be mistaken for a path stands in brackets, as in `data["a.b"].userId`. */
function below(path: string, key: string): string {
  if (!plainKey.test(key)) return `${path}[${JSON.stringify(key)}]`;
  return path === "" ? key : `${path}.${key}`;
}

function findIn(value: unknown, owner: UserId, path: string): string | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) {
      const found = findIn(item, owner, `${path}[${index}]`);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  for (const [key, child] of Object.entries(value)) {
    const at = below(path, key);
    if (routingField.test(key) && namesSomeoneElse(child, owner)) return at;
    const found = findIn(child, owner, at);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** What happens to a payload that names somebody else, and who counts it. */
export interface PayloadPolicy {
  readonly contaminationOf: (owner: Owner) => ContaminationPolicy;
  readonly countContaminated: (tenantId: TenantId) => void;
}

const notTheOwner = "names a user who does not own this run";

/**
 * The text as it may be stored in `owner`'s stream: the same, or under `sanitize` without the fields that name
 * somebody else. Every payload passes here, whatever call it came by.
 *
 * Shape: `text` is the JSON text of the data, made by us (keys un-escaped): it alone is what others will see, whatever
 * object it came from. `path` says where the data stands in the call; it is asked only when something is wrong.
 *
 * Fails: throws `Contaminated` under `refuse`, with the path of the first such field.
 */
export function isolated(
  text: string,
  owner: Owner,
  path: () => string,
  policy: PayloadPolicy,
  message = notTheOwner,
): string {
  if (!anyRoutingField.test(text)) return text;
  const data = parseTrusted(text);
  const { tenantId, userId } = owner;
  const found = findIn(data, userId, path());
  if (found === undefined) return text;
  policy.countContaminated(tenantId);
  if (policy.contaminationOf(owner) === "refuse") throw new Contaminated({ path: found, message });
  return JSON.stringify(cleaned(data, userId));
}

function cleaned(data: unknown, owner: UserId): unknown {
  if (typeof data !== "object" || data === null) return data;
  if (Array.isArray(data)) return data.map((item) => cleaned(item, owner));
  // Not by assignment: a key may be called `__proto__`.
  return Object.fromEntries(
    Object.entries(data)
      .filter(([key, child]) => !(routingField.test(key) && namesSomeoneElse(child, owner)))
      .map(([key, child]) => [key, cleaned(child, owner)]),
  );
}
