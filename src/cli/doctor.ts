/** `runcast doctor`: examines what `serve` would use, and says what to do. It changes nothing, and may run beside the server. */
import type { Config } from "../config.ts";
import { examineStore } from "../log/examine-store.ts";
import { fails, fine, type StoreFinding, warns } from "../log/store-finding.ts";
import { systemClock } from "../platform/clock.ts";
import type { Arguments } from "./command-line.ts";
import { Failure } from "./command-line.ts";
import { readConfig } from "./identity.ts";
import { paintFor } from "./paint.ts";

export async function doctor(given: Arguments): Promise<number> {
  const findings = await examine(given);
  const isSick = findings.some(({ level }) => level === "error");
  if (given.has("json")) process.stdout.write(`${JSON.stringify({ ok: !isSick, findings })}\n`);
  else for (const finding of findings) process.stdout.write(`${lineOf(finding)}\n`);
  return isSick ? 1 : 0;
}

async function examine(given: Arguments): Promise<readonly StoreFinding[]> {
  let config: Config;
  try {
    config = await readConfig(given, ["store"]);
  } catch (cause) {
    if (!(cause instanceof Failure)) throw cause;
    return [fails("settings", cause.message, "mend this setting: nothing else was looked at")];
  }
  const warnings = config.warnings.map((message) => warns("settings", message, "see docs/operations.md"));
  return [
    fine("settings", "all settings can be read"),
    ...warnings,
    keyFinding(config),
    ...(await examineStore(config.store, systemClock)),
  ];
}

function keyFinding({ jwtKey }: Config): StoreFinding {
  if (jwtKey !== undefined)
    return fine("auth", jwtKey.kind === "jwks" ? `tokens of ${jwtKey.url}` : "tokens of our secret");
  return warns(
    "auth",
    "dev mode: loopback only, demo users",
    "set RUNCAST_JWT_SECRET or RUNCAST_JWKS_URL for real users",
  );
}

const colours = { ok: "green", warning: "yellow", error: "red" } as const;

function lineOf({ level, what, says, advice }: StoreFinding): string {
  const paint = paintFor(process.stdout);
  const word = paint(colours[level], level.padEnd("warning".length));
  return `${word}  ${what}: ${says}${advice === undefined ? "" : ` → ${advice}`}`;
}
