/**
 * `runcast serve`: starts the server, says where it listens, and stays until a signal. The first one drains, a
 * second one ends the process at once. With `--workers` it runs others, or is one of them.
 */
import cluster from "node:cluster";
import * as Effect from "effect/Effect";
import type { DevMode } from "../auth/dev-mode.ts";
import { devBanner } from "../auth/dev-mode.ts";
import { systemClock } from "../platform/clock.ts";
import { causeText, framesOf } from "../telemetry/cause-text.ts";
import type { RunningServer, ServerOptions } from "../server.ts";
import type { Journal } from "../telemetry/journal.ts";
import { jsonJournal } from "../telemetry/journal.ts";
import type { Arguments } from "./command-line.ts";
import { Failure } from "./command-line.ts";
import { serveCommand } from "./commands.ts";
import { devModeOf, readConfig, settled } from "./identity.ts";
import { paintFor } from "./paint.ts";
import type { PrimaryLink } from "./workers/primary-link.ts";

const signals = { SIGINT: 130, SIGTERM: 143 } as const;
/** Orchestrators kill after ten seconds: whatever hangs must be told about before. */
const drainLimitMs = 9_000;

/**
 * Resolves at the first signal; the second one ends the process with the signal's own exit code. A worker keeps still:
 * its primary speaks, and a terminal sends its signals to both.
 */
function stopRequested(isAloud: boolean): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let isStopping = false;
  for (const [signal, exitCode] of Object.entries(signals)) {
    process.on(signal, () => {
      if (isStopping) process.exit(exitCode);
      isStopping = true;
      if (isAloud) process.stderr.write(`${signal}: draining; once more ends at once\n`);
      resolve();
    });
  }
  // To the whole group of processes it is the primary's.
  if (!isAloud) for (const signal of ["SIGHUP", "SIGUSR2"] as const) process.on(signal, () => {});
  return promise;
}

export async function serve(given: Arguments): Promise<number> {
  const stop = stopRequested(cluster.isPrimary);
  const link = cluster.isWorker ? new (await import("./workers/primary-link.ts")).PrimaryLink() : undefined;
  try {
    return await (link === undefined ? serveHere(given, stop) : serveFor(link, given, stop));
  } finally {
    link?.release();
  }
}

/** As the process that the operator started: alone, or with workers. */
async function serveHere(given: Arguments, stop: Promise<void>): Promise<number> {
  const { config, journal } = await prepared(given);
  for (const warning of config.warnings) journal.write("warn", warning);
  if (config.workers > 1) {
    const { lead } = await import("./workers/primary.ts");
    const onListening = async (url: string): Promise<void> => {
      process.stdout.write(`listening on ${url}\n`);
      if (config.jwtKey === undefined) await printBanner(await devModeOf(config));
    };
    return lead({ config, journal, stop, onListening });
  }
  return live({ config, journal, isDemo: given.has("demo") }, async ({ url, devMode }) => {
    process.stdout.write(`listening on ${url}\n`);
    if (devMode !== undefined) await printBanner(devMode);
    await stop;
  });
}

/** As one of several: its primary says where, and when to go. */
async function serveFor(link: PrimaryLink, given: Arguments, stop: Promise<void>): Promise<number> {
  const { worker, port, hasAudit } = await link.begun;
  const { config, journal } = await prepared(given, { worker });
  const terms = { port, audit: hasAudit ? link.audit : undefined, colleagues: link.colleagues };
  return live({ config, journal, isDemo: given.has("demo"), worker: terms }, async (server) => {
    link.ready(server);
    const told = await Promise.race([link.drained, stop]);
    if (told?.isReplaced) await server.leave();
  });
}

async function prepared(given: Arguments, fields?: Readonly<Record<string, unknown>>) {
  const config = await readConfig(
    given,
    Object.keys(serveCommand.flags).filter((name) => name !== "demo" && name !== "config"),
  );
  const lines = jsonJournal(systemClock, config.logLevel, (line) => process.stderr.write(line));
  const journal: Journal =
    fields === undefined ? lines : { write: (level, what, more) => lines.write(level, what, { ...more, ...fields }) };
  // A bug that nobody caught ends the process with 1, as Node does it: what was acknowledged is on disk, and what a
  // half-done call left in memory is not to be trusted. Where it stood is told, its message is not (I19).
  process.on("uncaughtException", (cause, origin) => {
    journal.write("error", "process.uncaught", { origin, cause });
    process.stderr.write(`runcast serve: ${causeText(cause)}\n${framesOf(cause).join("\n")}\n`);
    process.exit(1);
  });
  return { config, journal };
}

/** Runs a server until `until` has resolved; the answer is the exit code. */
async function live(options: ServerOptions, until: (server: RunningServer) => Promise<void>): Promise<number> {
  // After the settings are checked: a wrong one is said at once.
  const { startServer } = await import("../server.ts");
  const life = Effect.gen(function* () {
    const server = yield* startServer(options);
    yield* Effect.promise(() => until(server));
    return setTimeout(giveUp, drainLimitMs);
  });
  // Everything is closed in its order when the scope ends, also after a start that failed half way.
  clearTimeout(await settled(Effect.scoped(life)).catch(withAdvice));
  return 0;
}

function withAdvice(cause: unknown): never {
  if (cause instanceof Failure && cause.message.includes("EADDRINUSE"))
    throw new Failure(`${cause.message}; does a server run already? Another port: --port 0 takes any free one`);
  throw cause;
}

async function printBanner(devMode: DevMode): Promise<void> {
  const [headline = "", ...lines] = await devBanner(devMode, systemClock);
  process.stdout.write(`${[paintFor(process.stdout)("yellow", headline), ...lines].join("\n")}\n`);
}

function giveUp(): never {
  process.stderr.write(`runcast serve: not drained after ${drainLimitMs} ms; ending\n`);
  process.exit(1);
}
