/**
 * The signature of webhooks, as Standard Webhooks has it: HMAC-SHA256 over id, time and body, one signature for each
 * secret. The channel signs; receivers verify with `runcast/webhook`: nobody can forge, change or replay (FAULTS 43).
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { decodeBody } from "../../protocol/codec.ts";
import type { WebhookBody } from "../../protocol/webhook.ts";
import { webhookBodySchema } from "../../protocol/webhook.ts";
import { systemClock } from "../platform/clock.ts";

/** What a secret may begin with; the rest is then base64, as other senders of Standard Webhooks write theirs. */
const encodedPrefix = "whsec_";
const version = "v1";
const msPerSecond = 1_000;
const defaultToleranceMs = 300_000;
export const minWebhookSecretBytes = 32;

/** The bytes that sign. */
export const secretBytes = (secret: string): Buffer =>
  secret.startsWith(encodedPrefix)
    ? Buffer.from(secret.slice(encodedPrefix.length), "base64")
    : Buffer.from(secret, "utf8");

const digest = (secret: string, id: string, seconds: string, body: string | Uint8Array): Buffer =>
  createHmac("sha256", secretBytes(secret)).update(`${id}.${seconds}.`).update(body).digest();

/** The headers of a signed webhook; a receiver that knows any of the secrets takes it. */
export function webhookHeaders(
  id: string,
  body: string,
  secrets: readonly string[],
  nowMs: number,
): Readonly<Record<"webhook-id" | "webhook-timestamp" | "webhook-signature", string>> {
  const seconds = String(Math.floor(nowMs / msPerSecond));
  const signatures = secrets.map((secret) => `${version},${digest(secret, id, seconds, body).toString("base64")}`);
  return { "webhook-id": id, "webhook-timestamp": seconds, "webhook-signature": signatures.join(" ") };
}

/** As `node:http` has them, or as `fetch` has them. */
export type WebhookHeaders =
  | Readonly<Record<string, string | readonly string[] | undefined>>
  | { get(name: string): string | null };

export interface VerifyWebhookOptions {
  /** Milliseconds since 1970. Default: now. */
  readonly nowMs?: number | undefined;
  /** How far the sender's time may be from ours. Default 300,000. */
  readonly toleranceMs?: number | undefined;
  /** The ids that were dealt with: keep them as long as webhooks may be repeated. Add yours when your work is done. */
  readonly seen?: { has(id: string): boolean } | undefined;
}

export type VerifiedWebhook =
  | { readonly ok: true; readonly id: string; readonly isDuplicate: boolean; readonly notice: WebhookBody }
  /** Answer 401: it is not ours, or not of now. `body`: signed, and yet no notice. */
  | { readonly ok: false; readonly reason: "headers" | "timestamp" | "signature" | "body" };

function headerOf(headers: WebhookHeaders, name: string): string | undefined {
  const { get } = headers;
  if (typeof get === "function") return get.call(headers, name) ?? undefined;
  const value: unknown = Reflect.get(headers, name);
  return typeof value === "string" ? value : undefined;
}

/** Compares every pair, so that the time it takes says nothing about what was right. */
function isSigned(given: string, expected: readonly Buffer[]): boolean {
  let found = false;
  for (const signature of given.split(" ")) {
    if (!signature.startsWith(`${version},`)) continue;
    const bytes = Buffer.from(signature.slice(version.length + 1), "base64");
    for (const each of expected) if (bytes.length === each.length && timingSafeEqual(bytes, each)) found = true;
  }
  return found;
}

/**
 * Whether a request is a webhook of ours, sent now. `body` is the raw body, as it came; one that was parsed and written
 * again does not verify. `secrets`: the one, or both while they are rotated.
 */
export function verifyWebhook(
  headers: WebhookHeaders,
  body: string | Uint8Array,
  secrets: string | readonly string[],
  options: VerifyWebhookOptions = {},
): VerifiedWebhook {
  const { nowMs = systemClock.now(), toleranceMs = defaultToleranceMs, seen } = options;
  const id = headerOf(headers, "webhook-id");
  const seconds = headerOf(headers, "webhook-timestamp");
  const given = headerOf(headers, "webhook-signature");
  if (id === undefined || seconds === undefined || given === undefined) return { ok: false, reason: "headers" };
  // Whole seconds; a longer text would be no time of ours, and would make no number.
  if (!/^\d{1,12}$/.test(seconds) || Math.abs(nowMs - Number(seconds) * msPerSecond) > toleranceMs)
    return { ok: false, reason: "timestamp" };
  const known = typeof secrets === "string" ? [secrets] : secrets;
  const expected = known.filter((secret) => secret !== "").map((secret) => digest(secret, id, seconds, body));
  if (!isSigned(given, expected)) return { ok: false, reason: "signature" };
  const decoded = decodeBody(webhookBodySchema, typeof body === "string" ? body : Buffer.from(body).toString("utf8"));
  if (!decoded.ok || decoded.value.id !== id) return { ok: false, reason: "body" };
  return { ok: true, id, isDuplicate: seen?.has(id) ?? false, notice: decoded.value };
}
