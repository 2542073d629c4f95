/**
 * Rung 4: a signed call to one URL of the operator's, whose service knows how to reach its users. It says who and what
 * for, never what the event holds; receivers verify it with `runcast/webhook`.
 */
import type { WebhookBody } from "../../protocol/webhook.ts";
import { InvalidConfig } from "../errors.ts";
import type { Clock } from "../platform/clock.ts";
import { systemClock } from "../platform/clock.ts";
import type { Channel, Notice } from "./channel.ts";
import { EgressRules } from "./egress-rules.ts";
import { guardedPost } from "./guarded-request.ts";
import { requireTaken } from "./http-answer.ts";
import { httpUrlOf } from "./http-url.ts";
import { minWebhookSecretBytes, secretBytes, webhookHeaders } from "./webhook-signature.ts";

export interface WebhookOptions {
  readonly url: string;
  /** At least 32 bytes each; the request is signed with every one, so that they can be rotated. */
  readonly secrets: readonly string[];
  /** Hosts and networks that it may call although they are not public, or by http; as `RUNCAST_EGRESS_ALLOW`. */
  readonly allow?: string | undefined;
  readonly timeoutMs?: number | undefined;
  readonly clock?: Clock | undefined;
}

/** Fails: `InvalidConfig` for none, and for one that is too short. */
function requireSecrets(secrets: readonly string[]): void {
  if (secrets.length === 0 || secrets.some((secret) => secretBytes(secret).length < minWebhookSecretBytes))
    throw new InvalidConfig({
      setting: "secrets",
      message: `must be at least ${minWebhookSecretBytes} bytes long each`,
    });
}

function bodyOf(notice: Notice): string {
  const { id, eventType: type, tenantId, userId, runId, threadId, offset, time, title, text, url } = notice;
  const body: WebhookBody = { id, type, tenantId, userId, runId, threadId, offset, time, title, text, url };
  return JSON.stringify(body);
}

/** Makes the channel. Fails: `InvalidConfig`. */
export function webhookChannel(options: WebhookOptions): Channel {
  const { url, secrets, allow, timeoutMs, clock = systemClock } = options;
  const post = guardedPost({ clock, rules: EgressRules.of(allow), timeoutMs });
  const { host: by } = httpUrlOf(url);
  requireSecrets(secrets);
  return {
    name: "webhook",
    rung: 4,
    tell: async (notice, signal) => {
      const body = bodyOf(notice);
      const headers = { ...webhookHeaders(notice.id, body, secrets, clock.now()), "content-type": "application/json" };
      requireTaken("the webhook", await post({ url, headers, body, signal }));
      return { kind: "told", by };
    },
  };
}
