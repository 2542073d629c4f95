/** The help texts, made from what the commands say of themselves. */
import type { Command, Flag } from "./command-line.ts";
import type { Paint } from "./paint.ts";

const gutter = 2;

function table(rows: readonly (readonly [string, string])[], paint: Paint): string[] {
  const width = Math.max(...rows.map(([left]) => left.length)) + gutter;
  return rows.map(([left, right]) => `  ${paint("cyan", left)}${" ".repeat(width - left.length)}${right}`);
}

function flagRow(name: string, flag: Flag): readonly [string, string] {
  const notes = [
    flag.default === undefined ? "" : `default: ${flag.default}`,
    flag.env === undefined ? "" : `env: ${flag.env}`,
  ].filter((note) => note !== "");
  const left = `--${name}${flag.value === undefined ? "" : ` ${flag.value}`}`;
  return [left, `${flag.about}${notes.length === 0 ? "" : ` (${notes.join(", ")})`}`];
}

/** The help of the whole program. */
export function programHelp(commands: readonly Command[], version: string, paint: Paint): string {
  const [first] = commands;
  return [
    `${paint("bold", "runcast")} ${version}: the events of AI-agent runs, brought to the people who wait for them.`,
    "",
    paint("bold", "Usage"),
    "  runcast <command> [options]",
    "",
    paint("bold", "Commands"),
    ...table(
      commands.map(({ name, summary }) => [name, summary] as const),
      paint,
    ),
    "",
    paint("bold", "Options"),
    ...table(
      [
        ["--help", "this text; after a command, that command's"],
        ["--version", "the version"],
      ],
      paint,
    ),
    "",
    paint("bold", "Start here"),
    ...(first?.examples.slice(0, 1) ?? []).map(({ line }) => `  ${line}`),
    "  runcast tail --user alice",
    "",
  ].join("\n");
}

/** The help of one command. */
export function commandHelp(command: Command, paint: Paint): string {
  return [
    `${paint("bold", `runcast ${command.name}`)}: ${command.summary}`,
    "",
    paint("bold", "Usage"),
    ...command.usage.map((usage) => `  runcast ${command.name} ${usage}`),
    "",
    ...command.about,
    "",
    paint("bold", "Options"),
    ...table(
      [...Object.entries(command.flags).map(([name, flag]) => flagRow(name, flag)), ["--help", "this text"]],
      paint,
    ),
    "",
    paint("bold", "Examples"),
    ...command.examples.flatMap(({ does, line }) => [`  ${paint("dim", `# ${does}`)}`, `  ${line}`]),
    "",
    paint("bold", "Exit codes"),
    ...table(
      command.exitCodes.map(({ code, means }) => [code, means] as const),
      paint,
    ),
    "",
  ].join("\n");
}
