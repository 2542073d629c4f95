/**
 * Tiers and limits as operators write them down (`RUNCAST_TIERS`): what users of each tier may have, who is in which,
 * and what strangers, keys and the whole server are held to. Every field may be left out. A mistake is named by its path.
 */
import * as z from "zod/mini";
import { maxDeadlineMs, minDeadlineMs } from "./http.ts";
import { tenantIdSchema, userIdSchema } from "./id-schemas.ts";
import { maxRetentionMs, minRetentionMs } from "./limits.ts";
import { tierNames } from "./tier-rules.ts";

const maxCount = 1_000_000;
const maxWindowBytes = 67_108_864;
const maxAckWaitMs = 86_400_000;
const maxChannels = 4;

/** Per second, averaged over ten: so much may come at once. */
const rate = z.number().check(z.gt(0), z.maximum(maxCount));
const count = z.int().check(z.minimum(1), z.maximum(maxCount));
const channels = z.array(z.enum(["web-push", "webhook", "email", "sms"])).check(z.maxLength(maxChannels));
const tierName = z.enum(tierNames);

const tierSchema = z.strictObject({
  connections: z.optional(count),
  connectionsPerSecond: z.optional(rate),
  framesPerSecond: z.optional(rate),
  commandsPerSecond: z.optional(rate),
  eventsPerSecond: z.optional(rate),
  runsPerSecond: z.optional(rate),
  deadlineMs: z.optional(z.int().check(z.minimum(minDeadlineMs), z.maximum(maxDeadlineMs))),
  retentionMs: z.optional(z.int().check(z.minimum(minRetentionMs), z.maximum(maxRetentionMs))),
  windowEvents: z.optional(count),
  windowBytes: z.optional(z.int().check(z.minimum(1), z.maximum(maxWindowBytes))),
  batching: z.optional(z.enum(["off", "asked", "on", "adaptive"])),
  performanceMode: z.optional(z.boolean()),
  escalation: z.optional(
    z.strictObject({
      ackWaitMs: z.optional(z.int().check(z.minimum(0), z.maximum(maxAckWaitMs))),
      emergency: z.optional(channels),
      alternative: z.optional(channels),
      parallel: z.optional(z.boolean()),
    }),
  ),
});
/** What is said of one tier, or of nothing in particular. */
export type TierTerms = z.infer<typeof tierSchema>;

export const tiersSchema = z.strictObject({
  /** Of who is in none. */
  default: z.optional(tierName),
  tiers: z.optional(
    z.strictObject({
      free: z.optional(tierSchema),
      early: z.optional(tierSchema),
      mid: z.optional(tierSchema),
      enterprise: z.optional(tierSchema),
    }),
  ),
  tenants: z.optional(z.record(tenantIdSchema, tierName)),
  /** By tenant, then by user. */
  users: z.optional(z.record(tenantIdSchema, z.record(userIdSchema, tierName))),
  perAddress: z.optional(
    z.strictObject({
      connections: z.optional(count),
      connectionsPerSecond: z.optional(rate),
      refusalsPerSecond: z.optional(rate),
    }),
  ),
  perKey: z.optional(z.strictObject({ eventsPerSecond: z.optional(rate), runsPerSecond: z.optional(rate) })),
  perServer: z.optional(z.strictObject({ connectionsPerSecond: z.optional(rate) })),
});
/** Tiers and limits as they are written down. */
export type TiersConfig = z.infer<typeof tiersSchema>;
