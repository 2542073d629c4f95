import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as Effect from "effect/Effect";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ApiKeys } from "../../src/auth/api-key.ts";
import { devApiKey, devBanner, devSecretFile, devUsers, openDevMode } from "../../src/auth/dev-mode.ts";
import { jwtAuthenticator } from "../../src/auth/jwt.ts";
import { systemClock } from "../../src/platform/clock.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "runcast-dev-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const open = (file: string) => Effect.runPromise(openDevMode(file, systemClock));
const modeOf = (file: string): number => statSync(file).mode & 0o777;

describe("dev mode", () => {
  it("makes its secret once, beside the store, for its owner only", async () => {
    const file = devSecretFile(join(directory, "runcast.db"), "/elsewhere");
    const first = await open(file);
    expect(first.secretFile).toBe(join(directory, "runcast.db.dev-secret"));
    expect(modeOf(file)).toBe(0o600);
    expect(await open(file)).toEqual(first);
    expect(readdirSync(directory)).toEqual(["runcast.db.dev-secret"]);
  });

  it("keeps it in the directory when the store has no file", () => {
    expect(devSecretFile(undefined, directory)).toBe(join(directory, "runcast.dev-secret"));
  });

  it("gives the same secret to all who start at once", async () => {
    const file = join(directory, "new", "s");
    const all = await Promise.all(Array.from({ length: 8 }, () => open(file)));
    expect(new Set(all.map(({ secret }) => secret)).size).toBe(1);
  });

  it("closes a file that others could read", async () => {
    const file = join(directory, "s");
    await open(file);
    chmodSync(file, 0o644);
    await open(file);
    expect(modeOf(file)).toBe(0o600);
  });

  it("refuses a file that holds something else", async () => {
    const file = join(directory, "s");
    writeFileSync(file, "short\n");
    const result = await Effect.runPromise(Effect.result(openDevMode(file, systemClock)));
    expect(result._tag === "Failure" && result.failure.message).toContain("delete it and start again");
  });

  it("says which directory cannot be written", async () => {
    writeFileSync(join(directory, "a-file"), "");
    const result = await Effect.runPromise(Effect.result(openDevMode(join(directory, "a-file", "s"), systemClock)));
    expect(result._tag === "Failure" && result.failure.message).toContain("a-file");
  });

  it("offers demo users whose tokens hold, and a key with both rights", async () => {
    const devMode = await open(join(directory, "s"));
    const authenticator = await Effect.runPromise(
      jwtAuthenticator({ key: { kind: "secret", secret: devMode.secret }, clock: systemClock }),
    );
    const users = await devUsers(devMode, systemClock);
    expect(users.map(({ userId }) => userId)).toEqual(["alice", "bob", "carol"]);
    for (const { userId, token } of users)
      expect(await Effect.runPromise(authenticator.authenticate(token))).toMatchObject({ userId, tenantId: "default" });
    expect(new ApiKeys([devApiKey(devMode)]).find(devMode.apiKey)?.rights).toEqual(["publish", "admin"]);
  });

  it("says in its banner what a person needs, and never the secret", async () => {
    const devMode = await open(join(directory, "s"));
    const banner = (await devBanner(devMode, systemClock)).join("\n");
    expect(banner).toContain("DEV MODE");
    expect(banner).toContain(devMode.apiKey);
    expect(banner).toMatch(/demo token\s+eyJ/);
    expect(banner).not.toContain(devMode.secret);
  });
});
