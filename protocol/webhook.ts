/**
 * What a webhook says: the body that `src/fallback/webhook` posts and receivers read with `runcast/webhook`. Signed by
 * the headers of Standard Webhooks; new fields may come, so receivers ignore what they do not know.
 */
import * as z from "zod/mini";

const text = z.string();

export const webhookBodySchema = z.object({
  /** Of the event: the same with every repetition. */
  id: text,
  /** Of the event, as in `agent_failed`. */
  type: text,
  tenantId: text,
  userId: text,
  runId: z.optional(text),
  threadId: z.optional(text),
  offset: z.int(),
  /** ISO 8601 UTC: when the event was written. */
  time: text,
  /** A line for a person. */
  title: text,
  /** A few sentences for a person. */
  text,
  /** Where to look. */
  url: z.optional(text),
});
export type WebhookBody = z.infer<typeof webhookBodySchema>;
