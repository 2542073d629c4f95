/**
 * Where a user can be reached who does not look: what browsers register of their push subscriptions, and publishers of
 * addresses. Bodies are schemas, answers are types.
 */
import * as z from "zod/mini";
import { tenantIdSchema, userIdSchema } from "./id-schemas.ts";

/** Of one user; the newest stay. */
export const maxPushSubscriptions = 10;
const maxEndpointChars = 2_048;
const maxEmailChars = 254;

const endpointSchema = z
  .string()
  .check(
    z.maxLength(maxEndpointChars),
    z.regex(/^https:\/\/[A-Za-z0-9.-]+(:\d{1,5})?(\/[\x21-\x7e]*)?$/, "must be the https URL of a push service"),
  );

/** As `PushSubscription.toJSON()` gives it in the browser. */
export const pushSubscriptionSchema = z.strictObject({
  endpoint: endpointSchema,
  expirationTime: z.optional(z.nullable(z.number())),
  keys: z.strictObject({
    /** A point on P-256: 65 bytes. */
    p256dh: z.string().check(z.regex(/^[A-Za-z0-9_-]{87}=?$/, "must be 65 bytes in base64url")),
    auth: z.string().check(z.regex(/^[A-Za-z0-9_-]{22}(==)?$/, "must be 16 bytes in base64url")),
  }),
});
export type PushSubscriptionBody = z.infer<typeof pushSubscriptionSchema>;

export const removeSubscriptionSchema = z.strictObject({ endpoint: endpointSchema });
export type RemoveSubscriptionBody = z.infer<typeof removeSubscriptionSchema>;

/** What is not named stays as it is, null takes it away. */
export const contactSchema = z.strictObject({
  userId: userIdSchema,
  tenantId: z.optional(tenantIdSchema),
  email: z.optional(
    z.nullable(
      z
        .string()
        .check(
          z.maxLength(maxEmailChars),
          z.regex(/^[^\s@<>(),;:"[\]\\]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*$/, "must be one address"),
        ),
    ),
  ),
  phone: z.optional(z.nullable(z.string().check(z.regex(/^\+[1-9]\d{6,14}$/, "must be a number like +4915112345678")))),
});
export type ContactBody = z.infer<typeof contactSchema>;

export interface PushKeyAnswer {
  /** The `applicationServerKey` of `pushManager.subscribe`, in base64url. */
  readonly publicKey: string;
}

export interface PushSubscriptionsAnswer {
  /** How many this user has now. */
  readonly subscriptions: number;
}

/** What is known of the user now. */
export interface ContactAnswer {
  readonly email?: string;
  readonly phone?: string;
  readonly subscriptions: number;
}
