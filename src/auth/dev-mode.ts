/**
 * Dev mode: no secret is configured, so the server makes one, keeps it beside the store (mode 0600) and says so
 * aloud. `config` lets it bind loopback only (LESSONS 45).
 */
import { chmodSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import * as Effect from "effect/Effect";
import type { UserId } from "../../protocol/ids.ts";
import { asUserId, defaultTenant } from "../../protocol/ids.ts";
import { InvalidConfig } from "../errors.ts";
import type { Clock } from "../platform/clock.ts";
import type { ApiKeyEntry } from "./api-key.ts";
import { apiKeyEntry } from "./api-key.ts";
import { minSecretBytes } from "./jwt.ts";
import { signToken } from "./sign.ts";

export interface DevMode {
  readonly secret: string;
  readonly apiKey: string;
  readonly secretFile: string;
}

export interface DevUser {
  readonly userId: UserId;
  readonly name: string;
  readonly token: string;
}

const ownerOnly = 0o600;
const secretBytes = 48;
const apiKeyBytes = 24;
const demoUsers: readonly { readonly userId: UserId; readonly name: string }[] = [
  { userId: asUserId("alice"), name: "Alice" },
  { userId: asUserId("bob"), name: "Bob" },
  { userId: asUserId("carol"), name: "Carol" },
];
const pageTokenTtlMs = 3_600_000;
const bannerTokenTtlMs = 24 * 3_600_000;
const apiKeyPrefix = "rk_dev_";

/** Where the secret of a store lies: beside its file, or in `directory` for a store without one. */
export function devSecretFile(databaseFile: string | undefined, directory: string): string {
  return databaseFile === undefined ? `${directory}/runcast.dev-secret` : `${databaseFile}.dev-secret`;
}

const errorCode = (cause: unknown): unknown =>
  typeof cause === "object" && cause !== null && "code" in cause ? cause.code : undefined;

/** Creates the file whole or not at all; whoever comes second reads the first one's. */
function createOnce(file: string, clock: Clock): void {
  const random = (count: number) => Buffer.from(clock.random(count)).toString("base64url");
  const draft = `${file}.${process.pid}.${random(6)}`;
  mkdirSync(dirname(file), { recursive: true });
  try {
    writeFileSync(draft, `${random(secretBytes)}\n${apiKeyPrefix}${random(apiKeyBytes)}\n`, {
      mode: ownerOnly,
      flag: "wx",
    });
    linkSync(draft, file);
  } catch (cause) {
    if (errorCode(cause) !== "EEXIST") throw cause;
  } finally {
    rmSync(draft, { force: true });
  }
}

function readLines(file: string): string[] | undefined {
  try {
    chmodSync(file, ownerOnly);
    return readFileSync(file, "utf8").split("\n");
  } catch (cause) {
    if (errorCode(cause) === "ENOENT") return undefined;
    throw cause;
  }
}

/**
 * The dev secret and key of a store; makes them the first time.
 *
 * Fails: `InvalidConfig` when the file cannot be made or does not hold what it should.
 */
export const openDevMode = Effect.fnUntraced(function* (secretFile: string, clock: Clock) {
  const lines = yield* Effect.try({
    try: () => {
      if (readLines(secretFile) === undefined) createOnce(secretFile, clock);
      return readLines(secretFile) ?? [];
    },
    catch: (cause) =>
      new InvalidConfig({
        setting: "dev mode",
        message: `cannot keep its secret in ${secretFile}: ${cause instanceof Error ? cause.message : String(cause)}; set RUNCAST_JWT_SECRET, or give RUNCAST_STORE a directory that can be written`,
      }),
  });
  const [secret = "", apiKey = ""] = lines;
  if (Buffer.byteLength(secret) < minSecretBytes || !apiKey.startsWith(apiKeyPrefix))
    return yield* new InvalidConfig({
      setting: "dev mode",
      message: `${secretFile} does not hold a dev secret; delete it and start again`,
    });
  const devMode: DevMode = { secret, apiKey, secretFile };
  return devMode;
});

/** The demo API key, with both rights, for all tenants. */
export const devApiKey = (devMode: DevMode): ApiKeyEntry =>
  apiKeyEntry("dev", devMode.apiKey, "*", ["publish", "admin"]);

/** The demo users, each with a token that lives an hour: what the page offers. */
export function devUsers(devMode: DevMode, clock: Clock): Promise<DevUser[]> {
  const request = { secret: devMode.secret, tenantId: defaultTenant, ttlMs: pageTokenTtlMs, clock };
  return Promise.all(
    demoUsers.map(async ({ userId, name }) => ({ userId, name, token: await signToken({ ...request, userId }) })),
  );
}

/** What the server says at its start, for whoever sits at the terminal. */
export async function devBanner(devMode: DevMode, clock: Clock): Promise<readonly string[]> {
  const userId = asUserId("alice");
  const token = await signToken({
    secret: devMode.secret,
    tenantId: defaultTenant,
    userId,
    ttlMs: bannerTokenTtlMs,
    clock,
  });
  return [
    "DEV MODE: no RUNCAST_JWT_SECRET or RUNCAST_JWKS_URL is set. Loopback only; never for real users.",
    `  secret file    ${devMode.secretFile}`,
    `  demo user      ${userId}`,
    `  demo token     ${token}`,
    `  demo API key   ${devMode.apiKey}`,
  ];
}
