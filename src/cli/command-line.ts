/**
 * A command line, read against what a command says it takes. `main` stands before it, the commands after it; what
 * does not fit is a `UsageError` that names the flag and what would be right.
 */
import { parseArgs } from "node:util";

export interface Flag {
  /** The name of its value in the help; without one it is a switch. */
  readonly value?: string;
  readonly about: string;
  readonly env?: string;
  readonly default?: string;
  readonly choices?: readonly string[];
}

export interface Command {
  readonly name: string;
  readonly summary: string;
  /** Each line after `runcast <name> `. */
  readonly usage: readonly string[];
  readonly about: readonly string[];
  readonly maxPositionals: number;
  readonly flags: Readonly<Record<string, Flag>>;
  readonly examples: readonly { readonly does: string; readonly line: string }[];
  readonly exitCodes: readonly { readonly code: string; readonly means: string }[];
}

/** The command line is wrong: exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** The work failed for a reason that is told in one line: exit code 1, or the given one. */
export class Failure extends Error {
  override readonly name = "Failure";
  readonly exitCode: number;
  constructor(message: string, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

export interface Arguments {
  readonly positionals: readonly string[];
  /** What was given on the command line itself. */
  given(flag: string): string | undefined;
  /** What was given, or what the flag's environment variable says. */
  text(flag: string): string | undefined;
  has(flag: string): boolean;
}

const maxTypos = 2;

/** How many single-character edits make `left` into `right`. */
function distance(left: string, right: string): number {
  let previous = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let row = 1; row <= left.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= right.length; column += 1) {
      const replaced = (previous[column - 1] ?? 0) + (left[row - 1] === right[column - 1] ? 0 : 1);
      current.push(Math.min(replaced, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1));
    }
    previous = current;
  }
  return previous[right.length] ?? 0;
}

/** `; did you mean …?` when one of the known words is close. */
export function suggestion(word: string, known: readonly string[], prefix = ""): string {
  const [best] = known
    .map((candidate) => ({ candidate, typos: distance(word, candidate) }))
    .filter(({ candidate, typos }) => typos <= maxTypos && typos < candidate.length)
    .toSorted((left, right) => left.typos - right.typos);
  return best === undefined ? "" : `; did you mean ${prefix}${best.candidate}?`;
}

function checkChoice(shown: string, flag: Flag, value: string): void {
  if (flag.choices === undefined || flag.choices.includes(value)) return;
  throw new UsageError(`${shown} must be one of ${flag.choices.join(", ")}, not ${JSON.stringify(value)}`);
}

/**
 * Reads `args` (what follows the command's name).
 *
 * Fails: `UsageError` for an unknown, repeated, empty or surplus argument, or a value that is not a choice.
 */
export function readArguments(command: Command, args: readonly string[], env: NodeJS.ProcessEnv): Arguments {
  const names = [...Object.keys(command.flags), "help"];
  const { tokens } = parseArgs({
    args: [...args],
    strict: false,
    tokens: true,
    allowPositionals: true,
    options: Object.fromEntries(
      names.map((name) => [name, { type: command.flags[name]?.value === undefined ? "boolean" : "string" }] as const),
    ),
  });
  const given = new Map<string, string>();
  const positionals: string[] = [];
  for (const token of tokens) {
    if (token.kind === "positional") positionals.push(token.value);
    if (token.kind !== "option") continue;
    const { name, rawName, value, inlineValue } = token;
    const flag = command.flags[name];
    if (flag === undefined && name !== "help")
      throw new UsageError(`unknown flag ${rawName}${suggestion(name, names, "--")}`);
    if (given.has(name)) throw new UsageError(`${rawName} is given twice`);
    if (flag?.value === undefined) {
      if (inlineValue === true) throw new UsageError(`${rawName} is a switch and takes no value`);
      given.set(name, "");
      continue;
    }
    if (value === undefined || value === "" || (inlineValue !== true && value.startsWith("-")))
      throw new UsageError(`${rawName} needs a value: ${rawName} ${flag.value}`);
    checkChoice(rawName, flag, value);
    given.set(name, value);
  }
  if (positionals.length > command.maxPositionals) {
    const surplus = positionals[command.maxPositionals] ?? "";
    throw new UsageError(`unexpected argument ${JSON.stringify(surplus)}`);
  }
  return {
    positionals,
    given: (name) => given.get(name),
    has: (name) => given.has(name),
    text(name) {
      const value = given.get(name);
      if (value !== undefined) return value;
      const variable = command.flags[name]?.env;
      const fromEnv = variable === undefined ? undefined : env[variable];
      return fromEnv === "" ? undefined : fromEnv;
    },
  };
}

const durationUnitsMs: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `90s`, `15m`, `1h`, `7d` in milliseconds. */
export function readDuration(flag: string, text: string): number {
  const [, count = "", unit = ""] = /^(\d{1,9})(s|m|h|d)$/.exec(text) ?? [];
  const ms = Number(count) * (durationUnitsMs[unit] ?? 0);
  if (ms <= 0)
    throw new UsageError(`${flag} must be a duration such as 90s, 15m, 1h or 7d, not ${JSON.stringify(text)}`);
  return ms;
}
