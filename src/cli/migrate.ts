/** `runcast migrate`: moves a store into another and says how far it is. What can be wrong with the two is told in one line. */
import { InvalidConfig, LogFull, LogUnavailable } from "../errors.ts";
import { store, type StoreSetting } from "../config-values.ts";
import { CopyDiffers, copyLog, type CopyProgress } from "../log/copy-log.ts";
import { openSource, openTarget, schemaStepsOf } from "../log/open-transfer.ts";
import type { LogSource } from "../log/transfer.ts";
import { systemClock } from "../platform/clock.ts";
import { settings } from "../settings.ts";
import type { Arguments } from "./command-line.ts";
import { Failure, UsageError } from "./command-line.ts";
import { leftBehind } from "../spool/left-behind.ts";
import { readConfig, settled } from "./identity.ts";

const sayEveryMs = 1_000;
/** Where `serve` has it when nothing is said. */
const standardSpool = settings.spool.default.replace(/^file:/, "");
const msPerSecond = 1_000;

export async function migrate(given: Arguments): Promise<number> {
  const from = await storeOf(given, "from");
  const to = await storeOf(given, "to");
  try {
    const requireEmpty = () => requireNothingSpooled(given, from);
    return await (given.has("dry-run") ? rehearse(from, to, requireEmpty) : move(from, to, requireEmpty));
  } catch (cause) {
    throw explained(cause);
  }
}

function storeOf(given: Arguments, flag: "from" | "to"): Promise<StoreSetting> {
  const text = given.given(flag);
  if (text === undefined) throw new UsageError(`--${flag} is missing: --from <store> --to <store>`);
  return settled(store({ text, called: `--${flag}` }, settings.store));
}

/**
 * What waits in a spool was acknowledged and delivered at offsets that the log has not given yet: only a server on this very store
 * brings it there, or begins a new epoch where it cannot.
 */
async function requireNothingSpooled(given: Arguments, from: StoreSetting): Promise<void> {
  if (from.kind !== "sqlite") return;
  const { spool } = await readConfig(given, ["spool"], { store: `sqlite:${from.file}` });
  const left = await leftBehind(from.file, spool, standardSpool);
  if (left === undefined) return;
  const what =
    left.what === "events"
      ? "has acknowledged events that still wait in its spool"
      : "has handed out events that it could not write any more";
  throw new Failure(
    `--from ${what} (${left.path}): start its server once more, with its spool, until runcast_spool_events is 0, and stop it`,
  );
}

async function rehearse(from: StoreSetting, to: StoreSetting, requireEmpty: () => Promise<void>): Promise<number> {
  const steps = await opened("--to", schemaStepsOf(to));
  const source = await opened("--from", openSource(from));
  try {
    await requireEmpty();
    const { streams, events } = await source.count();
    process.stdout.write(`would copy ${streams} streams with ${events} events, and keep the epoch ${source.epoch}\n`);
    process.stdout.write(lostEpochs(source));
    for (const step of steps) process.stdout.write(`would bring the target to schema ${step}\n`);
    process.stdout.write("nothing was changed\n");
    return 0;
  } finally {
    await source.close();
  }
}

async function move(from: StoreSetting, to: StoreSetting, requireEmpty: () => Promise<void>): Promise<number> {
  const source = await opened("--from", openSource(from));
  try {
    // The store is ours by now: no server puts anything into its spool.
    await requireEmpty();
    const target = await opened("--to", openTarget(to));
    try {
      const { streams, before, events, documents } = await copyLog(source, target, speaker());
      const found = before === 0 ? "" : ` (${before} of them by an earlier try)`;
      process.stdout.write(`copied ${streams} streams${found}, ${events} events and ${documents} documents\n`);
      process.stdout.write(lostEpochs(source));
      process.stdout.write("verified: both stores hold the same; start the server on the new one\n");
      return 0;
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}

/** Of a cluster's masters. */
function lostEpochs({ otherEpochs = [] }: LogSource): string {
  if (otherEpochs.length === 0) return "";
  return `not kept: the epochs of ${otherEpochs.length} other masters, whose users begin with a gap and a snapshot\n`;
}

/** A line a second, and one where a phase begins. */
function speaker(): (progress: CopyProgress) => void {
  let phase: string | undefined;
  let [beganMs, saidMs] = [0, 0];
  return (progress) => {
    const nowMs = systemClock.mono();
    const isNew = progress.phase !== phase;
    if (isNew) [phase, beganMs] = [progress.phase, nowMs];
    else if (nowMs - saidMs < sayEveryMs) return;
    saidMs = nowMs;
    process.stderr.write(`${progressLine(progress, nowMs - beganMs)}\n`);
  };
}

function progressLine({ phase, streams, ofStreams, events, ofEvents }: CopyProgress, elapsedMs: number): string {
  const perSecond = elapsedMs <= 0 ? 0 : (events * msPerSecond) / elapsedMs;
  const left = Math.max(0, ofEvents - events);
  const eta = perSecond === 0 ? "" : `, about ${Math.ceil(left / perSecond)} s left`;
  const rate = perSecond === 0 ? "" : `, ${Math.round(perSecond)} events/s`;
  return `${phase}: ${streams} of ${ofStreams} streams, ${events} of ${ofEvents} events${rate}${eta}`;
}

/** Says of which of the two stores a failure to open speaks. */
function opened<Store>(flag: "--from" | "--to", opening: Promise<Store>): Promise<Store> {
  return opening.catch((cause: unknown) => {
    if (cause instanceof InvalidConfig) throw new Failure(`${flag} ${cause.message}`);
    if (cause instanceof LogUnavailable) throw new Failure(`${flag} cannot be opened: ${cause.message}`);
    throw cause;
  });
}

function explained(cause: unknown): unknown {
  if (cause instanceof InvalidConfig) return new Failure(`--${cause.setting} ${cause.message}`);
  if (cause instanceof CopyDiffers) return new Failure(`${cause.message}; empty the target and begin again`);
  if (cause instanceof LogUnavailable || cause instanceof LogFull)
    return new Failure(`${cause.message}; run it again to go on where it stopped`);
  return cause;
}
