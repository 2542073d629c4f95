/** `RUNCAST_TIERS`: tiers and limits from a file or from the setting itself, checked before anything starts. */
import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import * as Effect from "effect/Effect";
import { check } from "../protocol/codec.ts";
import { bodyLimits, parseJson } from "../protocol/json.ts";
import type { TiersConfig } from "../protocol/tiers.ts";
import { tiersSchema } from "../protocol/tiers.ts";
import { InvalidConfig } from "./errors.ts";

export const tiersFileName = "runcast.tiers.json";

/** Holds tiers that an application gives against what there is. Fails: `InvalidConfig` with the path of the mistake. */
export function checkTiers(value: unknown, setting: string): Effect.Effect<TiersConfig, InvalidConfig> {
  const checked = check(tiersSchema, value);
  if (checked.ok) return Effect.succeed(checked.value);
  const { path, message } = checked.issue;
  return Effect.fail(new InvalidConfig({ setting, message: path === "" ? message : `${path} ${message}` }));
}

/**
 * The tiers of a setting: JSON itself, or a file. Nothing said: `runcast.tiers.json`, if it is there.
 *
 * Fails: `InvalidConfig`.
 */
export function readTiers(text: string, called: string, directory: string): Effect.Effect<TiersConfig, InvalidConfig> {
  if (text.trimStart().startsWith("{")) return parsed(text, called);
  const path = resolve(directory, text === "" ? tiersFileName : text);
  if (!existsSync(path)) {
    if (text === "") return Effect.succeed({});
    return Effect.fail(new InvalidConfig({ setting: called, message: `names ${path}, which does not exist` }));
  }
  try {
    return parsed(readFileSync(path, "utf8"), path);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    return Effect.fail(new InvalidConfig({ setting: path, message: `cannot be read: ${why}` }));
  }
}

function parsed(text: string, called: string): Effect.Effect<TiersConfig, InvalidConfig> {
  const json = parseJson(text, bodyLimits);
  if (!json.ok) return Effect.fail(new InvalidConfig({ setting: called, message: json.issue.message }));
  return checkTiers(json.value, called);
}
