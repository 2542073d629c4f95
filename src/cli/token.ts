/** `runcast token`: prints a user's JWT, and nothing else, on stdout. */
import type { Arguments } from "./command-line.ts";
import { readDuration, UsageError } from "./command-line.ts";
import { readConfig, readUser, signedToken } from "./identity.ts";

const defaultTtl = "1h";

export async function token(given: Arguments): Promise<number> {
  const user = readUser(given);
  if (user === undefined) throw new UsageError("--user is missing: whom is the token for? For example --user alice");
  const ttlMs = readDuration("--ttl", given.text("ttl") ?? defaultTtl);
  const config = await readConfig(given, ["store"]);
  process.stdout.write(`${await signedToken(config, user, ttlMs)}\n`);
  return 0;
}
