import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decodeJwt } from "jose";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { areVapidKeys } from "../../src/fallback/vapid.ts";
import { program } from "./program.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "runcast-cli-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});
const run = (args: readonly string[], env?: Readonly<Record<string, string>>) => program(folder, args, env).ended;
const secret = "a secret of more than thirty-two bytes";

describe("runcast", () => {
  it("teaches what it can do, without a command, with --help and with help", async () => {
    const [bare, asked, word] = await Promise.all([run([]), run(["--help"]), run(["help"])]);
    expect(bare).toEqual({ code: 0, stdout: asked.stdout, stderr: "" });
    expect(word.stdout).toBe(asked.stdout);
    for (const command of ["serve", "token", "tail", "audit", "vapid"])
      expect(asked.stdout).toMatch(new RegExp(`^  ${command} +\\S`, "m"));
  });

  it.each(["serve", "token", "tail", "audit", "vapid"])("explains %s with examples and exit codes", async (command) => {
    const { code, stdout } = await run([command, "--help"]);
    expect(code).toBe(0);
    expect(stdout).toContain(`runcast ${command} `);
    expect(stdout).toMatch(/^Examples$/m);
    expect(stdout).toMatch(/^Exit codes$/m);
    expect((await run(["help", command])).stdout).toBe(stdout);
  });

  it("paints nothing where nobody looks, and where NO_COLOR is set", async () => {
    const escape = "\u001b";
    expect((await run(["--help"])).stdout).not.toContain(escape);
    expect((await run(["--help"], { FORCE_COLOR: "1" })).stdout).toContain(escape);
    expect((await run(["--help"], { NO_COLOR: "1" })).stdout).not.toContain(escape);
  });

  it("makes a key pair for Web Push, as settings that the server takes", async () => {
    const [one, other] = await Promise.all([run(["vapid"]), run(["vapid"])]);
    expect([one.code, one.stderr]).toEqual([0, ""]);
    expect(one.stdout).not.toBe(other.stdout);
    const env = Object.fromEntries(
      one.stdout
        .trim()
        .split("\n")
        .map((line) => line.split("=")),
    );
    expect(Object.keys(env)).toEqual(["RUNCAST_VAPID_PUBLIC_KEY", "RUNCAST_VAPID_PRIVATE_KEY"]);
    expect(areVapidKeys({ publicKey: env.RUNCAST_VAPID_PUBLIC_KEY, privateKey: env.RUNCAST_VAPID_PRIVATE_KEY })).toBe(
      true,
    );
    expect(Buffer.from(env.RUNCAST_VAPID_PUBLIC_KEY, "base64url")).toHaveLength(65);
  });

  it("prints the package's version", async () => {
    const { code, stdout } = await run(["--version"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it.each([
    [["frobnicate"], /^runcast: unknown command "frobnicate"/],
    [["tial"], /did you mean tail\?/],
    [["--port", "1"], /the command comes before its flags/],
    [["token"], /^runcast token: --user is missing/],
    [["token", "--user", "a", "--ttl", "soon"], /--ttl must be a duration such as 90s, 15m, 1h or 7d, not "soon"/],
    [["token", "--usr", "a"], /unknown flag --usr; did you mean --user\?/],
    [["tail"], /what to follow\? Give a run id, or --user <id>/],
    [["tail", "no such id"], /"no such id" is no run id/],
    [["tail", "--user", "a", "--url", "ftp://x"], /--url must be an address like http/],
    [["tail", "--user", "a", "--from", "then"], /--from must be one of start, active, now/],
    [["tail", "--user", "a", "--key", "k"], /--key follows one run/],
    [["serve", "extra"], /unexpected argument "extra"/],
    [["audit"], /what to do\? runcast audit verify, or runcast audit tail/],
    [["audit", "veryfi"], /not "veryfi"/],
    [["audit", "verify", "--file", "x", "--after", "7"], /--after must be the head/],
  ])("refuses %j with exit code 2, one line of why and where to read on", async (args, why) => {
    const { code, stdout, stderr } = await run(args);
    expect(code).toBe(2);
    expect(stdout).toBe("");
    expect(stderr).toMatch(why);
    expect(stderr).toMatch(/\nsee runcast.* --help\n$/);
  });

  it("goes quietly when the reader of its pipe has gone", async () => {
    const { child, ended } = program(folder, ["serve", "--help"]);
    child.stdout.destroy();
    expect(await ended).toMatchObject({ code: 0, stderr: "" });
  });
});

describe("runcast token", () => {
  it("prints a token of the configured secret and nothing else", async () => {
    const args = ["token", "--user", "älice", "--tenant", "acme", "--ttl", "15m"];
    const { code, stdout, stderr } = await run(args, { RUNCAST_JWT_SECRET: secret, RUNCAST_JWT_ISSUER: "me" });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const claims = decodeJwt(stdout.trim());
    expect(claims).toMatchObject({ sub: "älice", tid: "acme", iss: "me" });
    expect((claims.exp ?? 0) - (claims.iat ?? 0)).toBeLessThanOrEqual(15 * 60 + 1);
    expect(readdirSync(folder)).toEqual([]);
  });

  it("signs with one and the same secret beside the store in dev mode", async () => {
    const tokens = await Promise.all([run(["token", "--user", "alice"]), run(["token", "--user", "alice"])]);
    for (const { code, stdout } of tokens) {
      expect(code).toBe(0);
      expect(decodeJwt(stdout.trim())).toMatchObject({ sub: "alice", tid: "default" });
    }
    expect(readdirSync(folder)).toHaveLength(1);
  });

  it.each([
    [{ RUNCAST_JWT_SECRET: "short" }, /RUNCAST_JWT_SECRET is 5 bytes long; HS256 needs at least 32/],
    [
      { RUNCAST_JWKS_URL: "https://issuer.example/keys" },
      /RUNCAST_JWKS_URL is set, so tokens are made by their issuer/,
    ],
  ])("fails in one line when there is nothing to sign with: %j", async (env, why) => {
    const { code, stdout, stderr } = await run(["token", "--user", "alice"], env);
    expect(code).toBe(1);
    expect(stdout).toBe("");
    expect(stderr).toMatch(why);
    expect(stderr.split("\n")).toHaveLength(2);
  });
});
