/**
 * Digests of bodies, for idempotency: two bodies are the same when they say the same, in whatever order their
 * keys stand.
 */
import { hash } from "node:crypto";

function canonical(value: unknown): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  const fields = Object.entries(value)
    .filter(([, child]) => child !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, child]) => `${JSON.stringify(key)}:${canonical(child)}`);
  return `{${fields.join(",")}}`;
}

export function bodyDigest(body: unknown): string {
  return hash("sha256", canonical(body), "base64url");
}

export const eventDigest = (type: string, data: unknown): string => bodyDigest([type, data]);
