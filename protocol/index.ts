/** The contract: what travels, and the one codec that reads it. Imports nothing but zod/mini. */
export * from "./access.ts";
export * from "./close-codes.ts";
export * from "./codec.ts";
export * from "./contacts.ts";
export * from "./event.ts";
export * from "./flags.ts";
export * from "./frames.ts";
export * from "./http.ts";
export * from "./id-schemas.ts";
export * from "./ids.ts";
export * from "./json.ts";
export * from "./outbox.ts";
export * from "./run-view.ts";
export * from "./server-frame.ts";
export * from "./tier-rules.ts";
export * from "./tiers.ts";
export * from "./webhook.ts";
