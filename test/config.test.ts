import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as Effect from "effect/Effect";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ConfigSources } from "../src/config.ts";
import { flagName, loadConfig } from "../src/config.ts";
import { criticalTypes } from "../src/runtime/escalation-policy.ts";

const secret = "s".repeat(32);
let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "runcast-config-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const load = (sources: Partial<ConfigSources> = {}) =>
  Effect.runPromise(Effect.result(loadConfig({ env: {}, directory, ...sources })));
async function loaded(sources: Partial<ConfigSources> = {}) {
  const result = await load(sources);
  if (result._tag === "Failure") throw result.failure;
  return result.success;
}
async function refused(sources: Partial<ConfigSources>): Promise<string> {
  const result = await load(sources);
  if (result._tag === "Success") throw new Error("it was accepted");
  return `${result.failure.setting} ${result.failure.message}`;
}
const writeFile = (value: unknown, name = "runcast.config.json"): void =>
  writeFileSync(join(directory, name), typeof value === "string" ? value : JSON.stringify(value));

describe("the configuration", () => {
  it("has the contract's defaults", async () => {
    expect(await loaded()).toEqual({
      host: "127.0.0.1",
      port: 7420,
      store: { kind: "sqlite", file: "./runcast.db" },
      workers: 1,
      spool: { kind: "file", directory: "./runcast-spool" },
      jwtKey: undefined,
      jwtIssuer: undefined,
      jwtAudience: undefined,
      apiKeys: [],
      allowedOrigins: [],
      commit: "fsync",
      heartbeatMs: 15_000,
      leaseMs: 30_000,
      graceMs: 30_000,
      retentionMs: 604_800_000,
      compactAfterMs: 3_600_000,
      logLevel: "info",
      confirmAuth: false,
      channels: {
        egressAllow: "",
        pushAllow: "",
        webPush: undefined,
        webhook: undefined,
        email: undefined,
        sms: undefined,
        alerts: [],
      },
      otlp: undefined,
      critical: [...criticalTypes],
      ackWaitMs: 30_000,
      publicUrl: undefined,
      audit: "./runcast.audit.jsonl",
      auditKey: undefined,
      breakers: {},
      tiers: {},
      trustedProxies: undefined,
      warnings: [],
    });
  });

  it("takes a flag over the environment over the file over the default", async () => {
    writeFile({ port: 1, leaseMs: 2_000, graceMs: 3_000 });
    const config = await loaded({
      flags: { port: "3" },
      env: { RUNCAST_PORT: "2", RUNCAST_LEASE_MS: "5000" },
    });
    expect([config.port, config.leaseMs, config.graceMs, config.commit]).toEqual([3, 5_000, 3_000, "fsync"]);
  });

  it("takes an empty variable as not set", async () => {
    expect((await loaded({ env: { RUNCAST_PORT: "" } })).port).toBe(7420);
  });

  it("reads lists and switches of the file", async () => {
    writeFile({ allowedOrigins: ["https://a.example", "http://b.example:8080"], confirmAuth: true });
    const config = await loaded();
    expect(config.allowedOrigins).toEqual(["https://a.example", "http://b.example:8080"]);
    expect(config.confirmAuth).toBe(true);
  });

  it("reads breakers from the environment, a text of the file or a list of it", async () => {
    const log = { maxFailures: 5, openMs: 30_000, probeCount: 2 };
    expect((await loaded({ env: { RUNCAST_BREAKERS: "log:5/30000/2" } })).breakers).toEqual({ log });
    for (const breakers of ["log:5/30000/2;sms:1/100/1", ["log:5/30000/2", "sms:1/100/1"]]) {
      writeFile({ breakers });
      expect((await loaded()).breakers).toMatchObject({ log, sms: { maxFailures: 1 } });
    }
  });

  it.each([
    [{ RUNCAST_PORT: "65536" }, `RUNCAST_PORT cannot be "65536"; right is 0 (any) to 65535`],
    [{ RUNCAST_PORT: "-1" }, "RUNCAST_PORT"],
    [{ RUNCAST_PORT: "80a" }, "RUNCAST_PORT"],
    [{ RUNCAST_PORT: "1e3" }, "RUNCAST_PORT"],
    [{ RUNCAST_HOST: "a host" }, "RUNCAST_HOST"],
    [
      { RUNCAST_STORE: "runcast.db" },
      `RUNCAST_STORE cannot be "runcast.db"; right is sqlite:<file>, memory:, postgres:`,
    ],
    [{ RUNCAST_STORE: "sqlite:" }, "RUNCAST_STORE"],
    [{ RUNCAST_SPOOL: "/tmp" }, "RUNCAST_SPOOL"],
    [{ RUNCAST_COMMIT: "maybe" }, `RUNCAST_COMMIT cannot be "maybe"; right is fsync or os`],
    [{ RUNCAST_HEARTBEAT_MS: "999" }, `RUNCAST_HEARTBEAT_MS cannot be "999"; right is 1000 to 300000`],
    [{ RUNCAST_HEARTBEAT_MS: "300001" }, "RUNCAST_HEARTBEAT_MS"],
    [{ RUNCAST_LEASE_MS: "999" }, "RUNCAST_LEASE_MS"],
    [{ RUNCAST_LEASE_MS: "30s" }, "RUNCAST_LEASE_MS"],
    [{ RUNCAST_LEASE_MS: "3600001" }, "RUNCAST_LEASE_MS"],
    [{ RUNCAST_GRACE_MS: "soon" }, "RUNCAST_GRACE_MS"],
    [{ RUNCAST_RETENTION_MS: "0" }, "RUNCAST_RETENTION_MS"],
    [{ RUNCAST_COMPACT_AFTER_MS: "-1" }, "RUNCAST_COMPACT_AFTER_MS"],
    [
      { RUNCAST_TIERS: '{"tiers":{"free":{"retentionMs":500}}}' },
      "RUNCAST_TIERS tiers.free.retentionMs must be at least 1000",
    ],
    [{ RUNCAST_LOG_LEVEL: "loud" }, "RUNCAST_LOG_LEVEL"],
    [{ RUNCAST_CONFIRM_AUTH: "yes" }, "RUNCAST_CONFIRM_AUTH"],
    [{ RUNCAST_CRITICAL: "agent_completed,agent_started" }, "RUNCAST_CRITICAL"],
    [{ RUNCAST_CRITICAL: "notice,," }, "RUNCAST_CRITICAL"],
    [{ RUNCAST_ACK_WAIT_MS: "86400001" }, "RUNCAST_ACK_WAIT_MS"],
    [{ RUNCAST_PUBLIC_URL: "app.example.com" }, "RUNCAST_PUBLIC_URL"],
    [{ RUNCAST_PUBLIC_URL: "javascript:alert(1)" }, "RUNCAST_PUBLIC_URL"],
    [{ RUNCAST_BREAKERS: "log:0/1/1" }, `RUNCAST_BREAKERS cannot be "log:0/1/1"; right is name:failures/openMs/probes`],
    [{ RUNCAST_ALLOWED_ORIGINS: "app.example.com" }, "RUNCAST_ALLOWED_ORIGINS"],
    [{ RUNCAST_ALLOWED_ORIGINS: "https://a.example/path" }, "RUNCAST_ALLOWED_ORIGINS"],
    [{ RUNCAST_ALLOWED_ORIGINS: "*" }, "RUNCAST_ALLOWED_ORIGINS"],
    [{ RUNCAST_JWKS_URL: "ftp://id.example/keys" }, "RUNCAST_JWKS_URL"],
    [{ RUNCAST_JWKS_URL: "http://id.example/keys" }, "RUNCAST_JWKS_URL"],
    [{ RUNCAST_API_KEYS: "nobody" }, "RUNCAST_API_KEYS entry 1"],
  ])("refuses %j and says what is right", async (env, message) => {
    expect(await refused({ env })).toContain(message);
  });

  it.each(["redis://u:p@r/1?wait=1", "rediss://r", "postgres://u:p@a,b/x?pool=3", "postgresql://u:p@db/x"])(
    "has no spool with the shared store %s",
    async (store) => {
      const config = await loaded({ env: { RUNCAST_STORE: store } });
      const kind = store.startsWith("redis") ? "redis" : "postgres";
      expect(config).toMatchObject({ store: { kind, url: store }, spool: { kind: "none" } });
      const refusal = await refused({ env: { RUNCAST_STORE: store, RUNCAST_SPOOL: "file:./spool" } });
      expect(refusal).toContain("RUNCAST_SPOOL cannot be used with a store that several nodes share");
      expect(await loaded({ env: { RUNCAST_STORE: store, RUNCAST_SPOOL: "none" } })).toMatchObject({
        spool: { kind: "none" },
      });
    },
  );

  it("does not show what may be the password of an address that it cannot read", async () => {
    const message = await refused({ env: { RUNCAST_STORE: "redis://u:canary@r :1" } });
    expect(message).toContain("redis:…");
    expect(message).not.toContain("canary");
  });

  it("names the flag when the flag is wrong", async () => {
    expect(await refused({ flags: { leaseMs: "x" } })).toContain("--lease-ms cannot be");
    expect(flagName("retentionMs")).toBe("--retention-ms");
  });

  it.each([
    ["{", "is not JSON"],
    ["[]", "must be a JSON object"],
    ['{"prot": 1}', `has "prot", which is no setting`],
    ['{"port": {}}', `has "port" with a value`],
    ['{"port": null}', `has "port" with a value`],
  ])("refuses the file %s", async (text, message) => {
    writeFile(text);
    expect(await refused({})).toContain(message);
  });

  it("refuses a file that was named and is not there", async () => {
    expect(await refused({ file: "missing.json" })).toContain("does not exist");
  });

  it("warns of variables that look like ours", async () => {
    const { warnings } = await loaded({ env: { RUNCAST_PROT: "1", PATH: "/bin" } });
    expect(warnings).toEqual(["RUNCAST_PROT is set and is no setting of this version"]);
  });
});

describe("the credentials' settings", () => {
  it("take a secret of 32 bytes", async () => {
    const { jwtKey } = await loaded({ env: { RUNCAST_JWT_SECRET: secret } });
    expect(jwtKey).toEqual({ kind: "secret", secret });
  });

  it("refuse a shorter one without showing it", async () => {
    const message = await refused({ env: { RUNCAST_JWT_SECRET: "canary-secret" } });
    expect(message).toContain("RUNCAST_JWT_SECRET is 13 bytes long");
    expect(message).not.toContain("canary");
  });

  it("take keys at an https URL, or at loopback", async () => {
    const { jwtKey } = await loaded({ env: { RUNCAST_JWKS_URL: "https://id.example/keys" } });
    expect(jwtKey).toEqual({ kind: "jwks", url: "https://id.example/keys" });
    await loaded({ env: { RUNCAST_JWKS_URL: "http://127.0.0.1:8080/keys" } });
  });

  it("refuse a secret beside a URL", async () => {
    const env = { RUNCAST_JWT_SECRET: secret, RUNCAST_JWKS_URL: "https://id.example/keys" };
    expect(await refused({ env })).toContain("both set");
  });
});

describe("dev mode", () => {
  it.each(["127.0.0.1", "127.9.9.9", "localhost", "::1", "[::1]"])("binds %s", async (host) => {
    expect((await loaded({ env: { RUNCAST_HOST: host } })).jwtKey).toBeUndefined();
  });

  it.each(["0.0.0.0", "::", "10.0.0.1", "example.com", "127.0.0.1.example.com", "localhost.example"])(
    "refuses to start on %s",
    async (host) => {
      expect(await refused({ env: { RUNCAST_HOST: host } })).toContain("dev mode binds loopback only");
    },
  );

  it("is off with a secret, on any host", async () => {
    const config = await loaded({ env: { RUNCAST_HOST: "0.0.0.0", RUNCAST_JWT_SECRET: secret } });
    expect(config.host).toBe("0.0.0.0");
  });
});

describe("where the audit log is kept", () => {
  it.each([
    [{}, "./runcast.audit.jsonl"],
    [{ RUNCAST_STORE: "sqlite:/var/lib/events.v2.db" }, "/var/lib/events.v2.audit.jsonl"],
    [{ RUNCAST_STORE: "sqlite:/var.d/events" }, "/var.d/events.audit.jsonl"],
    [{ RUNCAST_STORE: "memory:" }, undefined],
    [{ RUNCAST_AUDIT: "off" }, undefined],
    [{ RUNCAST_STORE: "memory:", RUNCAST_AUDIT: "file:/var/log/audit.jsonl" }, "/var/log/audit.jsonl"],
  ])("with %j", async (env, file) => {
    expect((await loaded({ env })).audit).toBe(file);
  });

  it.each(["on", "file:", "/var/log/audit.jsonl", "redis://x"])("is not %s", async (text) => {
    expect(await refused({ env: { RUNCAST_AUDIT: text } })).toContain("right is file:<file> or off");
  });

  it("takes a key of 32 bytes, and refuses a shorter one without showing it", async () => {
    expect((await loaded({ env: { RUNCAST_AUDIT_KEY: secret } })).auditKey).toBe(secret);
    const message = await refused({ env: { RUNCAST_AUDIT_KEY: "canary-key" } });
    expect(message).toContain("RUNCAST_AUDIT_KEY cannot be what was given; right is at least 32 bytes");
    expect(message).not.toContain("canary");
  });
});

describe("the number of workers", () => {
  it.each(["4", "0", "auto"])("is refused as %s where one process owns the store", async (workers) => {
    for (const store of ["sqlite:./runcast.db", "memory:"]) {
      const env = { RUNCAST_WORKERS: workers, RUNCAST_STORE: store };
      expect(await refused({ env })).toMatch(
        /^RUNCAST_WORKERS is \w+, and RUNCAST_STORE is (sqlite|memory):, which one process owns; right is 1, or a store/,
      );
    }
  });

  it.each(["257", "-1", "two", "1.5"])("is not %s", async (workers) => {
    expect(await refused({ flags: { workers } })).toBe(
      `--workers cannot be "${workers}"; right is 1 to 256; 0 or auto: one for each core`,
    );
  });
});
