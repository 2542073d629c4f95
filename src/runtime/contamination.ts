/**
 * The payload check of isolation (L8): a field that routes must name the owner or nobody. It looks at every depth
 * and cannot be switched off; provenance fields (`senderId`, `creatorId`, `ownerId`) are left alone.
 */
import type { UserId } from "../../protocol/ids.ts";
import { parseTrusted } from "../../protocol/json.ts";
import { Contaminated } from "../errors.ts";

const routingFields: ReadonlySet<string> = new Set([
  "recipientId",
  "recipient_id",
  "targetUserId",
  "target_user_id",
  "userId",
  "user_id",
]);

/** Any routing field at all: the common payload has none, and is done after this one scan of its text. */
const anyRoutingField = /"(?:recipientId|recipient_id|targetUserId|target_user_id|userId|user_id)"/;

function namesSomeoneElse(value: unknown, owner: UserId): boolean {
  if (typeof value === "string" || typeof value === "number") return String(value) !== owner;
  return Array.isArray(value) && value.some((item) => namesSomeoneElse(item, owner));
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
    const at = path === "" ? key : `${path}.${key}`;
    if (routingFields.has(key) && namesSomeoneElse(child, owner)) return at;
    const found = findIn(child, owner, at);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** What happens to a payload that names somebody else, and who counts it. */
export interface PayloadPolicy {
  readonly contamination: "refuse" | "sanitize";
  readonly countContaminated: () => void;
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
  owner: UserId,
  path: () => string,
  policy: PayloadPolicy,
  message = notTheOwner,
): string {
  if (!anyRoutingField.test(text)) return text;
  const data = parseTrusted(text);
  const found = findIn(data, owner, path());
  if (found === undefined) return text;
  policy.countContaminated();
  if (policy.contamination === "refuse") throw new Contaminated({ path: found, message });
  return JSON.stringify(cleaned(data, owner));
}

function cleaned(data: unknown, owner: UserId): unknown {
  if (typeof data !== "object" || data === null) return data;
  if (Array.isArray(data)) return data.map((item) => cleaned(item, owner));
  const copy: Record<string, unknown> = {};
  for (const [key, child] of Object.entries(data)) {
    if (routingFields.has(key) && namesSomeoneElse(child, owner)) continue;
    copy[key] = cleaned(child, owner);
  }
  return copy;
}
