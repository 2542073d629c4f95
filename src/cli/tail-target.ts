/** What `tail` follows, at which server and as whom: its command line, understood. Nothing is asked of the server yet. */
import { existsSync } from "node:fs";
import type { Arguments } from "./command-line.ts";
import { Failure, UsageError } from "./command-line.ts";
import { devModeOf, devSecretFileOf, readConfig, readUser, signedToken } from "./identity.ts";

export type Credential =
  /** Asked before every connection: a long tail outlives a token. */
  | { readonly kind: "user"; readonly token: () => string | Promise<string> }
  | { readonly kind: "key"; readonly key: string; readonly tenantId: string | undefined };

export type StartPoint = "start" | "active" | "now";

export interface TailTarget {
  /** As in `http://127.0.0.1:7420`. */
  readonly serverUrl: string;
  /** Undefined: everything of the user. */
  readonly runId: string | undefined;
  readonly from: StartPoint;
  readonly credential: Credential;
}

const defaultUrl = "http://127.0.0.1:7420";
const tokenTtlMs = 3_600_000;
const runIdPattern = /^[A-Za-z0-9_.:-]{1,128}$/;

/**
 * Reads what to follow.
 *
 * Fails: `UsageError` for what cannot be followed; `Failure` when there is no secret to speak with.
 */
export async function readTarget(given: Arguments): Promise<TailTarget> {
  const [runId] = given.positionals;
  if (runId !== undefined && !runIdPattern.test(runId))
    throw new UsageError(`${JSON.stringify(runId)} is no run id: 1 to 128 characters of A-Z a-z 0-9 . _ : -`);
  return {
    serverUrl: readServerUrl(given.text("url") ?? defaultUrl),
    runId,
    // `readArguments` let only the choices through.
    from: (given.text("from") as StartPoint | undefined) ?? (runId === undefined ? "active" : "start"),
    credential: await readCredential(given, runId),
  };
}

function readServerUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const protocol = url?.protocol.replace(/^ws/, "http");
  if (url === undefined || (protocol !== "http:" && protocol !== "https:"))
    throw new UsageError(`--url must be an address like ${defaultUrl}, not ${JSON.stringify(text)}`);
  return `${protocol}//${url.host}`;
}

async function readCredential(given: Arguments, runId: string | undefined): Promise<Credential> {
  const token = given.text("token");
  const key = given.text("key");
  const user = readUser(given);
  if (given.given("token") !== undefined && given.given("key") !== undefined)
    throw new UsageError("--token and --key are both given: keep the one to use");
  if (token !== undefined && given.given("key") === undefined) return { kind: "user", token: () => token };
  if (key !== undefined) {
    if (runId === undefined)
      throw new UsageError(
        "--key follows one run: give its id, as in runcast tail run-42; a user's stream needs --token",
      );
    return { kind: "key", key, tenantId: given.given("tenant") };
  }
  if (user === undefined && runId === undefined)
    throw new UsageError("what to follow? Give a run id, or --user <id>, as in runcast tail --user alice");

  const config = await readConfig(given, ["store"]);
  if (config.jwtKey?.kind === "jwks" || (config.jwtKey !== undefined && user === undefined))
    throw new UsageError("who are you? Give --token (a user's JWT) or --key (an API key with the right admin)");
  if (config.jwtKey === undefined) {
    const secretFile = devSecretFileOf(config);
    if (!existsSync(secretFile))
      throw new Failure(
        `no dev secret at ${secretFile}: run this where the server runs, name its --store, or give --token or --key`,
      );
  }
  if (user !== undefined) return { kind: "user", token: () => signedToken(config, user, tokenTtlMs) };
  return { kind: "key", key: (await devModeOf(config)).apiKey, tenantId: given.given("tenant") };
}
