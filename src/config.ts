/**
 * The settings of a server: flag over environment over file over default. Every value is checked here, once; a bad
 * one names the setting, shows what was given (a secret never) and says what would be right.
 */
import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { BlockList } from "node:net";
import * as Effect from "effect/Effect";
import { maxLeaseMs, minLeaseMs } from "../protocol/http.ts";
import { bodyLimits, parseJson } from "../protocol/json.ts";
import type { ApiKeyEntry } from "./auth/api-key.ts";
import { parseApiKeys } from "./auth/api-key.ts";
import type { JwtKey } from "./auth/jwt.ts";
import { checkSecret } from "./auth/jwt.ts";
import type { AuditSetting, SpoolSetting, StoreSetting } from "./config-values.ts";
import {
  audit,
  auditKey,
  flag,
  isLoopbackHost,
  isSharedStore,
  jwksUrl,
  listOf,
  oneOf,
  originList,
  plainText,
  publicUrl,
  spool,
  store,
  wholeNumber,
  wrong,
} from "./config-values.ts";
import { InvalidConfig } from "./errors.ts";
import type { SettingsByBreaker } from "./runtime/breaker-settings.ts";
import { parseBreakers } from "./runtime/breaker-settings.ts";
import type { ChannelConfig } from "./fallback/channel-settings.ts";
import { readChannels } from "./fallback/channel-settings.ts";
import type { CriticalType } from "./runtime/escalation-policy.ts";
import { criticalTypes } from "./runtime/escalation-policy.ts";
import { maxRetentionMs, minRetentionMs } from "../protocol/limits.ts";
import type { TiersConfig } from "../protocol/tiers.ts";
import { trustedProxiesOf } from "./trusted-proxies.ts";
import { readTiers } from "./tiers-setting.ts";
import { workersOf } from "./workers-setting.ts";
import type { OtlpSetting } from "./telemetry/otlp-settings.ts";
import { readOtlp } from "./telemetry/otlp-settings.ts";
import { maxAckWaitMs, maxGraceMs, maxHeartbeatMs, maxPort, minHeartbeatMs, settings } from "./settings.ts";

export interface Config {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly store: StoreSetting;
  /** Processes that share the port; more than one only on a store that they can share. */
  readonly workers: number;
  readonly spool: SpoolSetting;
  /** Undefined: dev mode. */
  readonly jwtKey: JwtKey | undefined;
  readonly jwtIssuer: string | undefined;
  readonly jwtAudience: string | undefined;
  readonly apiKeys: readonly ApiKeyEntry[];
  readonly allowedOrigins: readonly string[];
  readonly commit: "fsync" | "os";
  readonly heartbeatMs: number;
  readonly leaseMs: number;
  readonly graceMs: number;
  readonly retentionMs: number;
  readonly compactAfterMs: number;
  readonly tiers: TiersConfig;
  /** Whose word about the client's address is taken. */
  readonly trustedProxies: BlockList | undefined;
  readonly logLevel: "debug" | "info" | "warn" | "error";
  readonly confirmAuth: boolean;
  /** Which events somebody is told of when nobody looks. */
  readonly critical: readonly CriticalType[];
  readonly ackWaitMs: number;
  /** Undefined: notices have no link. */
  readonly publicUrl: string | undefined;
  readonly audit: AuditSetting;
  readonly auditKey: string | undefined;
  /** By breaker: what is not as by default. */
  readonly breakers: SettingsByBreaker;
  /** Who is told when nobody looks, and where operators are alerted. */
  readonly channels: ChannelConfig;
  /** Undefined: nobody traces. */
  readonly otlp: OtlpSetting | undefined;
  /** What is odd and yet no error: variables that look like ours and are not known. */
  readonly warnings: readonly string[];
}

export interface ConfigSources {
  /** By setting name, as in `--lease-ms 5000` → `leaseMs`. Undefined is not given. */
  readonly flags?: Readonly<Record<string, string | undefined>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where `runcast.config.json` is looked for, and what relative paths start from. */
  readonly directory: string;
  /** `--config`: must exist. */
  readonly file?: string | undefined;
}

export const configFileName = "runcast.config.json";
export type SettingName = keyof typeof settings;
const settingNames = Object.keys(settings) as SettingName[];
const isSettingName = (name: string): name is SettingName => Object.hasOwn(settings, name);

/** A value and what to call it in an error. */
interface Given {
  readonly text: string;
  readonly called: string;
}

/** The file's settings as text, or an error that names the file. */
function readFile(sources: ConfigSources): Effect.Effect<Readonly<Record<string, string>>, InvalidConfig> {
  const path = resolve(sources.directory, sources.file ?? configFileName);
  const fail = (message: string) => Effect.fail(new InvalidConfig({ setting: path, message }));
  if (!existsSync(path)) return sources.file === undefined ? Effect.succeed({}) : fail("does not exist");
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    return fail(`cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`);
  }
  const json = parseJson(text, bodyLimits);
  if (!json.ok) return fail(json.issue.message);
  if (typeof json.value !== "object" || json.value === null || Array.isArray(json.value))
    return fail("must be a JSON object of settings");
  const found: Record<string, string> = {};
  for (const [name, value] of Object.entries(json.value)) {
    if (!isSettingName(name)) return fail(`has "${name}", which is no setting; known are ${settingNames.join(", ")}`);
    if (Array.isArray(value) && value.every((item) => typeof item === "string")) found[name] = value.join(",");
    else if (typeof value === "boolean") found[name] = value ? "1" : "0";
    else if (typeof value === "string" || typeof value === "number") found[name] = String(value);
    else return fail(`has "${name}" with a value that is neither text nor a number`);
  }
  return Effect.succeed(found);
}

/**
 * Reads and checks every setting.
 *
 * Fails: `InvalidConfig` for the first that is wrong.
 */
export const loadConfig = Effect.fnUntraced(function* (sources: ConfigSources) {
  const { env, flags = {} } = sources;
  for (const name of Object.keys(flags))
    if (!isSettingName(name)) return yield* new InvalidConfig({ setting: `--${name}`, message: "is no setting" });
  const file = yield* readFile(sources);

  const given = (name: SettingName): Given => {
    const setting = settings[name];
    if (flags[name] !== undefined) return { text: flags[name], called: flagName(name) };
    // An empty variable is how shells and compose files say "not set".
    const fromEnv = env[setting.env];
    if (fromEnv !== undefined && fromEnv !== "") return { text: fromEnv, called: setting.env };
    return { text: file[name] ?? setting.default, called: setting.env };
  };
  const isGiven = (name: SettingName): boolean =>
    flags[name] !== undefined || (env[settings[name].env] ?? "") !== "" || file[name] !== undefined;
  const read = <Value>(name: SettingName, reader: (text: string) => Value | undefined) => {
    const { text, called } = given(name);
    const value = reader(text);
    return value === undefined ? Effect.fail(wrong(settings[name], called, text)) : Effect.succeed(value);
  };

  const host = yield* read("host", plainText);
  const jwtKey = yield* readJwtKey(given, read);
  if (jwtKey === undefined && !isLoopbackHost(host))
    return yield* new InvalidConfig({
      setting: given("host").called,
      message: `is "${host}", and no RUNCAST_JWT_SECRET or RUNCAST_JWKS_URL is set: dev mode binds loopback only. Set one of them, or use 127.0.0.1`,
    });
  const apiKeys = given("apiKeys");
  const where = yield* store(given("store"), settings.store);
  const config: Config = {
    host,
    port: yield* read("port", wholeNumber(0, maxPort)),
    store: where,
    workers: yield* workersOf(given("workers"), settings.workers, where),
    spool: yield* spoolFor(where, given("spool"), isGiven("spool")),
    jwtKey,
    jwtIssuer: (yield* read("jwtIssuer", optionalText)) || undefined,
    jwtAudience: (yield* read("jwtAudience", optionalText)) || undefined,
    apiKeys: yield* parseApiKeys(apiKeys.text, apiKeys.called),
    allowedOrigins: yield* read("allowedOrigins", originList),
    commit: yield* read("commit", oneOf("fsync", "os")),
    heartbeatMs: yield* read("heartbeatMs", wholeNumber(minHeartbeatMs, maxHeartbeatMs)),
    leaseMs: yield* read("leaseMs", wholeNumber(minLeaseMs, maxLeaseMs)),
    graceMs: yield* read("graceMs", wholeNumber(0, maxGraceMs)),
    retentionMs: yield* read("retentionMs", wholeNumber(minRetentionMs, maxRetentionMs)),
    compactAfterMs: yield* read("compactAfterMs", wholeNumber(0, maxRetentionMs)),
    tiers: yield* readTiers(given("tiers").text, given("tiers").called, sources.directory),
    trustedProxies: yield* trustedProxiesOf(given("trustedProxies").text, given("trustedProxies").called),
    logLevel: yield* read("logLevel", oneOf("debug", "info", "warn", "error")),
    confirmAuth: yield* read("confirmAuth", flag),
    critical: yield* read("critical", listOf(criticalTypes)),
    ackWaitMs: yield* read("ackWaitMs", wholeNumber(0, maxAckWaitMs)),
    publicUrl: (yield* read("publicUrl", publicUrl)) || undefined,
    audit: yield* audit(given("audit"), settings.audit, where),
    auditKey: (yield* read("auditKey", auditKey)) || undefined,
    breakers: yield* read("breakers", parseBreakers),
    channels: yield* readChannels(given),
    otlp: yield* readOtlp(given, env),
    warnings: unknownVariables(env),
  };
  return config;
});

const optionalText = (text: string): string | undefined => (text === "" ? "" : plainText(text));

/** The default is for a store of this process alone: a spooled event gets its offset from what one process knows. */
function spoolFor(where: StoreSetting, given: Given, isGiven: boolean): Effect.Effect<SpoolSetting, InvalidConfig> {
  if (!isSharedStore(where)) return spool(given, settings.spool);
  if (!isGiven || given.text === "none") return Effect.succeed({ kind: "none" });
  const message =
    "cannot be used with a store that several nodes share: an event gets its offset from the store; right is none";
  return Effect.fail(new InvalidConfig({ setting: given.called, message }));
}

/** `leaseMs` → `--lease-ms`. */
export const flagName = (name: string): string => `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

function readJwtKey(
  given: (name: SettingName) => Given,
  read: <Value>(name: SettingName, reader: (text: string) => Value | undefined) => Effect.Effect<Value, InvalidConfig>,
): Effect.Effect<JwtKey | undefined, InvalidConfig> {
  const secret = given("jwtSecret");
  const url = given("jwksUrl");
  if (secret.text !== "" && url.text !== "")
    return Effect.fail(
      new InvalidConfig({ setting: secret.called, message: `and ${url.called} are both set: keep the one you use` }),
    );
  if (url.text !== "")
    return Effect.map(read("jwksUrl", jwksUrl), (checked): JwtKey => ({ kind: "jwks", url: checked }));
  if (secret.text === "") return Effect.succeed(undefined);
  return Effect.map(
    checkSecret(secret.text, secret.called),
    (checked): JwtKey => ({ kind: "secret", secret: checked }),
  );
}

function unknownVariables(env: ConfigSources["env"]): string[] {
  const known = new Set<string>(settingNames.map((name) => settings[name].env));
  return Object.keys(env)
    .filter((name) => name.startsWith("RUNCAST_") && !known.has(name))
    .map((name) => `${name} is set and is no setting of this version`);
}
