/**
 * From a spool setting to the spool behind it: the only place where a spool's name becomes an adapter. Each store has its
 * own, named by a digest of where it lies, so that two stores that name one directory or server never share one.
 */
import { createHash } from "node:crypto";
import { existsSync, realpathSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import * as Effect from "effect/Effect";
import type * as Scope from "effect/Scope";
import {
  isSharedStore,
  type SpoolSetting,
  spool as parseSpool,
  spoolShape,
  type StoreSetting,
} from "../config-values.ts";
import { InvalidConfig, LogUnavailable } from "../errors.ts";
import type { EventLog } from "../log/event-log.ts";
import type { Clock } from "../platform/clock.ts";
import type { OpenedSpool } from "../runtime/options.ts";
import type { Journal } from "../telemetry/journal.ts";
import { openFileSpool } from "./file.ts";
import { openSpoolMark, type SpoolMark } from "./mark.ts";
import { openRedisSpool } from "./redis.ts";
import type { Spool } from "./spool.ts";

export interface OpenSpoolTerms {
  readonly spool: string | SpoolSetting | Spool | false | undefined;
  readonly store: StoreSetting | EventLog;
  readonly commit: "fsync" | "os";
  readonly clock: Clock;
  readonly journal: Journal;
}

/** Of a digest: enough that two stores never meet, short enough to read. */
const nameChars = 16;

/**
 * Opens it, and closes it with its scope. Undefined: there is none.
 *
 * Fails: `InvalidConfig`; `LogUnavailable` when it does not answer, though events may wait in it.
 */
export const openSpool = Effect.fnUntraced(function* (
  terms: OpenSpoolTerms,
): Effect.fn.Return<OpenedSpool | undefined, InvalidConfig | LogUnavailable, Scope.Scope> {
  const { spool, store, commit } = terms;
  const isOwnLog = !("kind" in store);
  if (spool === false) return undefined;
  if (typeof spool === "object" && "append" in spool) {
    yield* requireAlone(store);
    return { spool, durability: commit };
  }
  const file = !isOwnLog && store.kind === "sqlite" ? store.file : undefined;
  const setting = typeof spool === "string" ? yield* parseSpool({ text: spool, called: "spool" }, shape) : spool;
  // What is in memory is gone before anything that waits for it could be brought there.
  if (setting === undefined ? file === undefined : setting.kind === "none") return undefined;
  yield* requireAlone(store);
  if (!isOwnLog && file === undefined) return undefined;
  const identity = file === undefined ? "log" : storeName(file);
  const folder = setting?.kind === "file" ? join(setting.directory, identity) : besideStore(file ?? "");
  const open = setting?.kind === "redis" ? redisSpool(terms, setting.url, identity, file) : fileSpool(terms, folder);
  return yield* Effect.acquireRelease(
    Effect.tryPromise({ try: open, catch: (cause) => cause }).pipe(
      Effect.catch((cause) =>
        cause instanceof InvalidConfig || cause instanceof LogUnavailable ? Effect.fail(cause) : Effect.die(cause),
      ),
    ),
    ({ spool: opened, mark }) => Effect.promise(() => opened.close().then(() => mark?.close())),
  );
});

const shape = { env: "RUNCAST_SPOOL", default: "", right: spoolShape };

const noSpool = "needs a store that only this process writes to; set it to false or none";

/** A spooled event gets its offset from what this process knows: nobody else may give offsets meanwhile. */
function requireAlone(store: StoreSetting | EventLog): Effect.Effect<void, InvalidConfig> {
  if ("kind" in store ? !isSharedStore(store) : store.isShared !== true) return Effect.void;
  return Effect.fail(new InvalidConfig({ setting: "spool", message: noSpool }));
}

const fileSpool =
  ({ journal, commit }: OpenSpoolTerms, folder: string) =>
  async (): Promise<OpenedSpool> => {
    const spool = await openFileSpool({ folder, journal });
    const mark = await marked(spool, join(folder, "state"));
    return { spool, mark, durability: commit, folder };
  };

const redisSpool =
  ({ clock, journal, commit }: OpenSpoolTerms, url: string, name: string, file: string | undefined) =>
  async (): Promise<OpenedSpool> => {
    const mark = file === undefined ? undefined : await openSpoolMark(redisMarkOf(file));
    // Its last process left nothing in it: there is nothing to wait for.
    const mayWait = mark?.before !== "clean";
    const spool = await openRedisSpool({ url, name, clock, journal, mustAnswer: mayWait }).catch(
      async (cause: unknown) => {
        await mark?.close();
        throw cause;
      },
    );
    return { spool, mark, durability: commit };
  };

async function marked(spool: Spool, path: string): Promise<SpoolMark> {
  try {
    return await openSpoolMark(path);
  } catch (cause) {
    await spool.close();
    throw cause;
  }
}

/** Where an embedding process has it that says nothing else. */
export const besideStore = (file: string): string => `${file}.spool`;

/** What says whether events wait in a spool that is in Redis. */
export const redisMarkOf = (file: string): string => `${file}.spool-state`;

/** The same file under another name is the same store; one that is not made yet has its folder's real name. */
export function storeName(file: string): string {
  const path = resolve(file);
  const real = existsSync(path) ? realpathSync(path) : join(realFolder(dirname(path)), basename(path));
  return createHash("sha256").update(real).digest("hex").slice(0, nameChars);
}

function realFolder(path: string): string {
  return existsSync(path) ? realpathSync(path) : path;
}
