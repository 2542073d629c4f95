#!/usr/bin/env node
/**
 * `runcast`: reads which command is meant and hands over to it. Commands are loaded only when they run, so that help
 * is instant; what they throw becomes one line on stderr and an exit code.
 */
import { readFileSync } from "node:fs";
import * as nodeModule from "node:module";
import type { Arguments, Command } from "./command-line.ts";
import { Failure, readArguments, suggestion, UsageError } from "./command-line.ts";
import { commands } from "./commands.ts";
import { commandHelp, programHelp } from "./help.ts";
import { paintFor } from "./paint.ts";
import { boundYoungGeneration } from "./young-generation.ts";

const usageExitCode = 2;
/** As `engines` in package.json says: older ones lack what the product is built on. */
const minNode = [22, 18] as const;

/** Runs a command to its end; the answer is its exit code. */
async function run(name: string, given: Arguments): Promise<number> {
  switch (name) {
    case "serve":
      // Before anything of a server is loaded: it would be loaded twice.
      boundYoungGeneration();
      return (await import("./serve.ts")).serve(given);
    case "token":
      return (await import("./token.ts")).token(given);
    case "audit":
      return (await import("./audit.ts")).audit(given);
    case "vapid":
      return (await import("./vapid.ts")).vapid();
    case "migrate":
      return (await import("./migrate.ts")).migrate(given);
    case "doctor":
      return (await import("./doctor.ts")).doctor(given);
    default:
      return (await import("./tail.ts")).tail(given);
  }
}

function version(): string {
  // From dist/src/cli as from src/cli, whichever runs.
  for (const up of ["../../package.json", "../../../package.json"]) {
    try {
      const found: unknown = JSON.parse(readFileSync(new URL(up, import.meta.url), "utf8"));
      if (typeof found === "object" && found !== null && "version" in found) return String(found.version);
    } catch {
      // Not there: the next one.
    }
  }
  return "unknown";
}

/** A line for who runs an older Node, instead of the first thing that is missing there. */
function requireNode(): void {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major > minNode[0] || (major === minNode[0] && minor >= minNode[1])) return;
  process.stderr.write(`runcast: needs Node ${minNode.join(".")} or newer; this is ${process.versions.node}\n`);
  process.exit(1);
}

async function main(args: readonly string[]): Promise<number> {
  requireNode();
  // Compiled code is kept between starts: a server that was killed is back sooner.
  nodeModule.enableCompileCache?.();
  const paint = paintFor(process.stdout);
  const [first = "--help", ...rest] = args;
  const print = (text: string) => {
    process.stdout.write(text);
    return 0;
  };
  if (first === "--version" || first === "-v") return print(`${version()}\n`);
  if (first === "--help" || first === "-h" || (first === "help" && rest.length === 0))
    return print(programHelp(commands, version(), paint));
  const asked = first === "help" ? rest[0] : first;
  const command = commands.find(({ name }) => name === asked);
  try {
    if (command === undefined) throw new UsageError(unknownCommand(asked ?? ""));
    if (first === "help" || rest.includes("--help") || rest.includes("-h")) return print(commandHelp(command, paint));
    return await run(command.name, readArguments(command, rest, process.env));
  } catch (cause) {
    return explain(cause, command);
  }
}

function unknownCommand(name: string): string {
  const names = commands.map((command) => command.name);
  return name.startsWith("-")
    ? `the command comes before its flags: runcast <${names.join("|")}> ${name}`
    : `unknown command ${JSON.stringify(name)}${suggestion(name, names)} Known: ${names.join(", ")}`;
}

/** One line that says what is wrong, and for a wrong command line where to read what is right. */
function explain(cause: unknown, command: Command | undefined): number {
  const called = command === undefined ? "runcast" : `runcast ${command.name}`;
  const paint = paintFor(process.stderr);
  const say = (message: string) => process.stderr.write(`${paint("red", called)}: ${message}\n`);
  if (cause instanceof UsageError) {
    say(cause.message);
    process.stderr.write(`see ${called} --help\n`);
    return usageExitCode;
  }
  if (cause instanceof Failure) {
    say(cause.message);
    return cause.exitCode;
  }
  // A bug: all that is known of it.
  say(cause instanceof Error ? (cause.stack ?? cause.message) : String(cause));
  return 1;
}

// The reader of a pipe may go first, as `head` does: that is no error of ours.
process.stdout.on("error", (cause: NodeJS.ErrnoException) => {
  process.exit(cause.code === "EPIPE" ? 0 : 1);
});
// Whatever a pipe has not taken yet is still written: only the code is set.
process.exitCode = await main(process.argv.slice(2));
