/** Every setting of the server: its names, its default and what is right, and the bounds of numbers. `config` reads by it. */
import { maxLeaseMs, minLeaseMs } from "../protocol/http.ts";
import { maxRetentionMs, minRetentionMs } from "../protocol/limits.ts";
import { apiKeysShape } from "./auth/api-key.ts";
import type { Setting } from "./config-values.ts";
import { spoolShape, storeShape } from "./config-values.ts";
import { channelSettings } from "./fallback/channel-settings.ts";
import { breakersShape } from "./runtime/breaker-settings.ts";
import { criticalTypes, defaultAckWaitMs } from "./runtime/escalation-policy.ts";
import { defaultCompactAfterMs, defaultRetentionMs } from "./runtime/options.ts";
import { otlpSettings } from "./telemetry/otlp-settings.ts";
import { tiersFileName } from "./tiers-setting.ts";
import { trustedProxiesRight } from "./trusted-proxies.ts";
import { workersRight } from "./workers-setting.ts";

const dayMs = 86_400_000;
export const maxPort = 65_535;
/** No client pings faster than once a second; proxies cut a line that is silent for longer than minutes. */
export const minHeartbeatMs = 1_000;
export const maxHeartbeatMs = 300_000;
export const maxGraceMs = dayMs;
/** Who waits longer than a day for an ack wants no notice. */
export const maxAckWaitMs = dayMs;

/** Every setting: its names, its default and what is right. Also what `--help` shows. */
export const settings = {
  host: { env: "RUNCAST_HOST", default: "127.0.0.1", right: "a host name or an address" },
  port: { env: "RUNCAST_PORT", default: "7420", right: "0 (any) to 65535" },
  store: { env: "RUNCAST_STORE", default: "sqlite:./runcast.db", right: storeShape },
  workers: { env: "RUNCAST_WORKERS", default: "1", right: workersRight },
  spool: { env: "RUNCAST_SPOOL", default: "file:./runcast-spool", right: spoolShape },
  jwtSecret: { env: "RUNCAST_JWT_SECRET", default: "", right: "at least 32 bytes", secret: true },
  jwksUrl: { env: "RUNCAST_JWKS_URL", default: "", right: "an https:// URL, or http:// on loopback" },
  jwtIssuer: { env: "RUNCAST_JWT_ISSUER", default: "", right: "the `iss` of the tokens" },
  jwtAudience: { env: "RUNCAST_JWT_AUDIENCE", default: "", right: "the `aud` of the tokens" },
  apiKeys: { env: "RUNCAST_API_KEYS", default: "", right: apiKeysShape, secret: true },
  allowedOrigins: {
    env: "RUNCAST_ALLOWED_ORIGINS",
    default: "",
    right: "origins like https://app.example.com, separated by commas",
  },
  commit: { env: "RUNCAST_COMMIT", default: "fsync", right: "fsync or os" },
  heartbeatMs: {
    env: "RUNCAST_HEARTBEAT_MS",
    default: "15000",
    right: `${minHeartbeatMs} to ${maxHeartbeatMs}`,
  },
  leaseMs: { env: "RUNCAST_LEASE_MS", default: "30000", right: `${minLeaseMs} to ${maxLeaseMs}` },
  graceMs: { env: "RUNCAST_GRACE_MS", default: "30000", right: `0 to ${maxGraceMs}` },
  retentionMs: {
    env: "RUNCAST_RETENTION_MS",
    default: String(defaultRetentionMs),
    right: `${minRetentionMs} to ${maxRetentionMs}`,
  },
  compactAfterMs: {
    env: "RUNCAST_COMPACT_AFTER_MS",
    default: String(defaultCompactAfterMs),
    right: `0 to ${maxRetentionMs}`,
  },
  tiers: {
    env: "RUNCAST_TIERS",
    default: "",
    right: `a file or JSON; without it ${tiersFileName}, if it is there`,
  },
  trustedProxies: {
    env: "RUNCAST_TRUSTED_PROXIES",
    default: "",
    right: trustedProxiesRight,
  },
  logLevel: { env: "RUNCAST_LOG_LEVEL", default: "info", right: "debug, info, warn or error" },
  confirmAuth: { env: "RUNCAST_CONFIRM_AUTH", default: "0", right: "0 or 1" },
  critical: {
    env: "RUNCAST_CRITICAL",
    default: criticalTypes.join(","),
    right: `none, or some of ${criticalTypes.join(", ")}, separated by commas`,
  },
  ackWaitMs: { env: "RUNCAST_ACK_WAIT_MS", default: String(defaultAckWaitMs), right: `0 to ${maxAckWaitMs}` },
  publicUrl: {
    env: "RUNCAST_PUBLIC_URL",
    default: "",
    right: "an http:// or https:// URL, in which {runId} and {threadId} are filled in",
  },
  audit: { env: "RUNCAST_AUDIT", default: "", right: "file:<file> or off" },
  auditKey: { env: "RUNCAST_AUDIT_KEY", default: "", right: "at least 32 bytes", secret: true },
  breakers: { env: "RUNCAST_BREAKERS", default: "", right: breakersShape },
  ...channelSettings,
  ...otlpSettings,
} as const satisfies Record<string, Setting>;
