/**
 * Who the command line speaks as. `token` signs with the configured or the dev secret; `tail` uses what it was given
 * or, in dev mode, the secret and the key that the server keeps beside the store.
 */
import * as Effect from "effect/Effect";
import * as Result from "effect/Result";
import type { TenantId, UserId } from "../../protocol/ids.ts";
import { defaultTenant, isTenantId, isUserId } from "../../protocol/ids.ts";
import { devSecretFile, openDevMode } from "../auth/dev-mode.ts";
import { signToken } from "../auth/sign.ts";
import type { Config } from "../config.ts";
import { loadConfig } from "../config.ts";
import type { InvalidConfig, LogUnavailable } from "../errors.ts";
import { systemClock } from "../platform/clock.ts";
import type { Arguments } from "./command-line.ts";
import { Failure, UsageError } from "./command-line.ts";

/** Ours, and no settings of a server: they belong to `tail` and to the demo agent. */
const otherVariables = new Set([
  "RUNCAST_URL",
  "RUNCAST_TOKEN",
  "RUNCAST_API_KEY",
  "RUNCAST_DEMO_SPEED",
  "RUNCAST_DEMO_MODEL",
]);

/** The answer of an Effect that fails for a bad setting or a store that does not open; a `Failure` says which. */
export async function settled<Value>(effect: Effect.Effect<Value, InvalidConfig | LogUnavailable>): Promise<Value> {
  const result = await Effect.runPromise(Effect.result(effect));
  if (Result.isSuccess(result)) return result.success;
  const { failure } = result;
  throw new Failure(failure._tag === "InvalidConfig" ? `${failure.setting} ${failure.message}` : failure.message);
}

/** The settings, with the flags in `names`, and what `more` says, over environment and file. */
export function readConfig(
  given: Arguments,
  names: readonly string[],
  more: Readonly<Record<string, string | undefined>> = {},
): Promise<Config> {
  const camelCase = (name: string) => name.replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
  return settled(
    loadConfig({
      flags: { ...Object.fromEntries(names.map((name) => [camelCase(name), given.given(name)])), ...more },
      env: Object.fromEntries(Object.entries(process.env).filter(([name]) => !otherVariables.has(name))),
      directory: process.cwd(),
      file: given.given("config"),
    }),
  );
}

/** The user that `--user` and `--tenant` name; `UsageError` for what is no id. */
export function readUser(given: Arguments): { readonly userId: UserId; readonly tenantId: TenantId } | undefined {
  const userId = given.text("user");
  const tenantId = given.text("tenant") ?? defaultTenant;
  if (!isTenantId(tenantId)) throw new UsageError("--tenant must be 1 to 256 characters without control characters");
  if (userId === undefined) return undefined;
  if (!isUserId(userId)) throw new UsageError("--user must be 1 to 256 characters without control characters");
  return { userId, tenantId };
}

/** Where dev mode keeps its secret: beside the store. */
export const devSecretFileOf = ({ store }: Config): string =>
  devSecretFile(store.kind === "sqlite" ? store.file : undefined, process.cwd());

/** The dev secret and key of the store. */
export const devModeOf = (config: Config) => settled(openDevMode(devSecretFileOf(config), systemClock));

/**
 * A token for the user, signed with the configured secret or the one of dev mode.
 *
 * Fails: `Failure` where the tokens are made elsewhere.
 */
export async function signedToken(
  config: Config,
  user: { readonly userId: UserId; readonly tenantId: TenantId },
  ttlMs: number,
): Promise<string> {
  const { jwtKey, jwtIssuer, jwtAudience } = config;
  if (jwtKey?.kind === "jwks")
    throw new Failure(
      `no secret to sign with: RUNCAST_JWKS_URL is set, so tokens are made by their issuer (${jwtKey.url})`,
    );
  const secret = jwtKey?.secret ?? (await devModeOf(config)).secret;
  return signToken({ ...user, secret, ttlMs, issuer: jwtIssuer, audience: jwtAudience, clock: systemClock });
}
