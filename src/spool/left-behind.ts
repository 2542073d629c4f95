/**
 * What the last server on a store has left in its spool, for who reads the store without one: events that were acknowledged and
 * are not in the log yet. Looks, and changes nothing. Where a spool lies, `open-spool` says.
 */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { SpoolSetting } from "../config-values.ts";
import { segmentName } from "./file.ts";
import { readSpoolState } from "./mark.ts";
import { besideStore, redisMarkOf, storeName } from "./open-spool.ts";
import { readSegment } from "./segment.ts";

export interface LeftBehind {
  /** A folder, or the file that says so of a spool in Redis. */
  readonly path: string;
  /** `unwritten`: events that were handed out without durability, and are nowhere. */
  readonly what: "events" | "unwritten";
}

/** `setting`: the spool of the store's server, besides the places where one is when nothing is said. */
export async function leftBehind(
  file: string,
  setting: SpoolSetting,
  standard: string,
): Promise<LeftBehind | undefined> {
  const directories = [standard, ...(setting.kind === "file" ? [setting.directory] : [])];
  const folders = [besideStore(file), ...directories.map((directory) => join(directory, storeName(file)))];
  for (const folder of folders) {
    const found = await stateOf(join(folder, "state"), folder);
    if (found !== undefined) return found;
    if (await holdsEvents(folder)) return { path: folder, what: "events" };
  }
  return stateOf(redisMarkOf(file), redisMarkOf(file));
}

async function stateOf(mark: string, path: string): Promise<LeftBehind | undefined> {
  const state = await readSpoolState(mark);
  if (state === "direct") return { path, what: "unwritten" };
  return state === "spooling" ? { path, what: "events" } : undefined;
}

async function holdsEvents(folder: string): Promise<boolean> {
  if (!existsSync(folder)) return false;
  for (const name of readdirSync(folder).filter((one) => segmentName.test(one))) {
    const { texts, isDamaged } = await readSegment(join(folder, name));
    if (texts.length > 0 || isDamaged) return true;
  }
  return false;
}
