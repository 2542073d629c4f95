import { describe, expect, it } from "vitest";
import type { Command } from "../../src/cli/command-line.ts";
import { readArguments, readDuration, suggestion, UsageError } from "../../src/cli/command-line.ts";
import { commands, serveCommand } from "../../src/cli/commands.ts";
import { flagName } from "../../src/config.ts";
import { settings } from "../../src/settings.ts";
import { channelSettings } from "../../src/fallback/channel-settings.ts";

const command: Command = {
  name: "test",
  summary: "",
  usage: [],
  about: [],
  maxPositionals: 1,
  flags: {
    port: { value: "<port>", about: "", env: "TEST_PORT" },
    from: { value: "<where>", about: "", choices: ["start", "now"] },
    demo: { about: "" },
  },
  examples: [],
  exitCodes: [],
};
const read = (...args: string[]) => readArguments(command, args, { TEST_PORT: "9" });

describe("command line", () => {
  it("reads values, switches and positionals in any order", () => {
    const given = read("--demo", "run-1", "--port=1", "--from", "now");
    expect(given.positionals).toEqual(["run-1"]);
    expect(given.has("demo")).toBe(true);
    expect(given.text("port")).toBe("1");
    expect(given.text("from")).toBe("now");
  });

  it("takes the environment variable where the flag is not given", () => {
    expect(read().text("port")).toBe("9");
    expect(read().given("port")).toBeUndefined();
    expect(readArguments(command, [], { TEST_PORT: "" }).text("port")).toBeUndefined();
  });

  it("takes everything after -- as it stands", () => {
    expect(read("--", "--demo").positionals).toEqual(["--demo"]);
  });

  it.each([
    [["--prot", "1"], "unknown flag --prot; did you mean --port?"],
    [["-x"], "unknown flag -x"],
    [["--port"], "--port needs a value: --port <port>"],
    [["--port", "--demo"], "--port needs a value: --port <port>"],
    [["--port="], "--port needs a value: --port <port>"],
    [["--port", "1", "--port", "2"], "--port is given twice"],
    [["--demo=yes"], "--demo is a switch and takes no value"],
    [["--from", "then"], '--from must be one of start, now, not "then"'],
    [["a", "b"], 'unexpected argument "b"'],
  ])("refuses %j and says what would be right", (args, message) => {
    expect(() => read(...args)).toThrow(new UsageError(message));
  });

  it("suggests only what is close", () => {
    expect(suggestion("tial", ["serve", "tail"])).toBe("; did you mean tail?");
    expect(suggestion("frobnicate", ["serve", "tail"])).toBe("");
  });

  it("reads durations with a unit and nothing else", () => {
    expect(readDuration("--ttl", "90s")).toBe(90_000);
    expect(readDuration("--ttl", "1h")).toBe(3_600_000);
    for (const wrong of ["", "5", "h", "0m", "-1h", "1.5h", "1w", "1h "])
      expect(() => readDuration("--ttl", wrong)).toThrow(UsageError);
  });
});

describe("serve's flags", () => {
  it("are the settings, but for secrets and those of notifications, with the same variables and defaults", () => {
    const expected = Object.entries<(typeof settings)[keyof typeof settings] & { secret?: boolean }>(settings)
      .filter(([name, setting]) => setting.secret !== true && !Object.hasOwn(channelSettings, name))
      .map(([name, setting]) => [flagName(name), setting.env, setting.default === "" ? undefined : setting.default]);
    const offered = Object.entries(serveCommand.flags)
      .filter(([name]) => name !== "demo" && name !== "config")
      .map(([name, flag]) => [`--${name}`, flag.env, flag.default]);
    expect(new Set(offered)).toEqual(new Set(expected));
  });

  it("and every command's have a description", () => {
    for (const { flags } of commands) for (const flag of Object.values(flags)) expect(flag.about).not.toBe("");
  });
});
