/** `runcast/webhook`: for whoever receives our webhooks. */
export type { WebhookBody } from "../../protocol/webhook.ts";
export type { VerifiedWebhook, VerifyWebhookOptions, WebhookHeaders } from "./webhook-signature.ts";
export { verifyWebhook } from "./webhook-signature.ts";
