import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { program } from "./program.ts";

const key = "a key of more than thirty-two bytes, for tests";
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "runcast-cli-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});
const run = (args: readonly string[], env?: Readonly<Record<string, string>>) => program(folder, args, env).ended;
const log = (): string => join(folder, "runcast.audit.jsonl");

/** A server that came and went. */
async function served(env: Readonly<Record<string, string>> = {}): Promise<void> {
  const server = program(folder, ["serve", "--port", "0"], env);
  await server.line(/^listening on /);
  server.child.kill("SIGTERM");
  expect((await server.ended).code).toBe(0);
}

describe("runcast audit", () => {
  it("verifies the log of the server of this folder, and shows its last entries", async () => {
    await served();
    await served();
    const verified = await run(["audit", "verify"]);
    expect(verified).toMatchObject({ code: 0, stderr: "" });
    expect(verified.stdout).toMatch(/^whole: 2 entries, head 2:sha256:[0-9a-f]{64}\n$/);
    const shown = await run(["audit", "tail", "--lines", "1"]);
    expect(shown).toMatchObject({ code: 0, stderr: "" });
    expect(shown.stdout).toMatch(/^#2 {2}\S+Z {2}audit_opened {2}details=\{\}\n$/);
  });

  it("says which line is the first that is wrong, and how, with exit code 1", async () => {
    await served();
    await served();
    const text = readFileSync(log(), "utf8");
    writeFileSync(log(), text.replace("audit_opened", "audit_closed"));
    expect(await run(["audit", "verify", "--file", log()])).toMatchObject({
      code: 1,
      stdout: `changed: ${log()} line 1: entry 1 does not hold its own hash\n`,
    });
    writeFileSync(log(), text.split("\n").slice(0, 1).join("\n").concat("\n"));
    expect(await run(["audit", "verify"])).toMatchObject({ code: 1, stdout: expect.stringMatching(/^cut: /) });
  });

  it("takes the key from the variable that is named", async () => {
    await served({ RUNCAST_AUDIT_KEY: key });
    expect((await run(["audit", "verify"])).stdout).toMatch(/^no key: .* line 1: /);
    expect(await run(["audit", "verify"], { RUNCAST_AUDIT_KEY: key })).toMatchObject({ code: 0 });
    expect(await run(["audit", "verify", "--key-env", "MINE"], { MINE: key })).toMatchObject({ code: 0 });
    expect(await run(["audit", "verify", "--key-env", "MINE"])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("MINE is not set"),
    });
  });

  it("says in one line that there is none", async () => {
    expect(await run(["audit", "verify"])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("there is no audit log at"),
    });
    await served({ RUNCAST_AUDIT: "off" });
    expect(readdirSync(folder).filter((name) => name.includes("audit"))).toEqual([]);
    expect(await run(["audit", "verify"], { RUNCAST_AUDIT: "off" })).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("keeps no audit log"),
    });
  });
});
