/**
 * `runcast serve`: starts the server, says where it listens, and stays until a signal. The first one drains, a
 * second one ends the process at once.
 */
import * as Effect from "effect/Effect";
import type { DevMode } from "../auth/dev-mode.ts";
import { devBanner } from "../auth/dev-mode.ts";
import { systemClock } from "../platform/clock.ts";
import { causeText, framesOf } from "../telemetry/cause-text.ts";
import { jsonJournal } from "../telemetry/journal.ts";
import type { Arguments } from "./command-line.ts";
import { Failure } from "./command-line.ts";
import { serveCommand } from "./commands.ts";
import { readConfig, settled } from "./identity.ts";
import { paintFor } from "./paint.ts";
import { boundYoungGeneration } from "./young-generation.ts";

const signals = { SIGINT: 130, SIGTERM: 143 } as const;
/** Orchestrators kill after ten seconds: whatever hangs must be told about before. */
const drainLimitMs = 9_000;

/** Resolves at the first signal; the second one ends the process with the signal's own exit code. */
function stopRequested(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let isStopping = false;
  for (const [signal, exitCode] of Object.entries(signals)) {
    process.on(signal, () => {
      if (isStopping) process.exit(exitCode);
      isStopping = true;
      process.stderr.write(`${signal}: draining; once more ends at once\n`);
      resolve();
    });
  }
  return promise;
}

export async function serve(given: Arguments): Promise<number> {
  boundYoungGeneration();
  const stop = stopRequested();
  const config = await readConfig(
    given,
    Object.keys(serveCommand.flags).filter((name) => name !== "demo" && name !== "config"),
  );
  const journal = jsonJournal(systemClock, config.logLevel, (line) => process.stderr.write(line));
  // A bug that nobody caught ends the process with 1, as Node does it: what was acknowledged is on disk, and what a
  // half-done call left in memory is not to be trusted. Where it stood is told, its message is not (I19).
  process.on("uncaughtException", (cause, origin) => {
    journal.write("error", "process.uncaught", { origin, cause });
    process.stderr.write(`runcast serve: ${causeText(cause)}\n${framesOf(cause).join("\n")}\n`);
    process.exit(1);
  });
  for (const warning of config.warnings) journal.write("warn", warning);

  // After the settings are checked: a wrong one is said at once.
  const { startServer } = await import("../server.ts");
  const life = Effect.gen(function* () {
    const server = yield* startServer({ config, journal, isDemo: given.has("demo") });
    process.stdout.write(`listening on ${server.url}\n`);
    const { devMode } = server;
    if (devMode !== undefined) yield* Effect.promise(() => printBanner(devMode));
    yield* Effect.promise(() => stop);
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
