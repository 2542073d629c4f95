import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hello, openSocket, refusedSocket } from "../../gateway/support/socket.ts";
import { BlackBox, refused, thinking } from "../../support/black-box.ts";
import { apiKeys, BuiltServer, mainFile, userToken } from "../../support/built-server.ts";
import { call } from "../../support/http-reader.ts";
import { HttpPublisher } from "../../support/http-publisher.ts";

const exitLimitMs = 10_000;
const ownerOnly = 0o600;
const permissionBits = 0o777;
const canary = "canary-0123456789-in-a-secret-place";

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command line to its end. */
async function runcast(args: readonly string[], cwd: string, env: Record<string, string> = {}): Promise<Ran> {
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith("RUNCAST_"));
  const child = spawn(process.execPath, [mainFile, ...args], {
    cwd,
    env: { ...Object.fromEntries(own), NO_COLOR: "1", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const text = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    text.stdout += chunk;
  });
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
    text.stderr += chunk;
  });
  const [code] = (await once(child, "close")) as [number];
  return { code, ...text };
}

describe("a server that is told to stop", () => {
  it("takes nothing new, says goodbye, keeps what it accepted, and ends with 0", async () => {
    await using box = await BlackBox.start();
    const token = await userToken("alice");
    const tab = await hello(box.url, token);
    await tab.nextOf("welcome");
    const run = await box.start();
    const publisher = new HttpPublisher(box.url);
    const said = await publisher.publish(run, [thinking]);

    const exit = box.server.terminate();
    expect(await tab.nextOf("goodbye")).toMatchObject({ reason: "restart", retryAfterMs: expect.any(Number) });
    // While it drains its doors stand: whoever balances load must be able to see it go.
    expect((await call(box.url, "GET /readyz")).status).toBe(503);
    expect((await call(box.url, "GET /livez")).status).toBe(200);
    const late = await box.publish("runs", { userId: "alice", agent: "late" });
    expect(refused(late)).toMatchObject({ status: 503, code: "not_accepting" });
    expect(Number(late.headers.get("retry-after"))).toBeGreaterThan(0);
    expect((await refusedSocket(box.url)).status).toBe(503);
    expect((await tab.ended).code).toBe(1012);
    const { code, signal, ms } = await exit;
    expect([code, signal]).toEqual([0, null]);
    expect(ms).toBeLessThan(exitLimitMs);

    await box.server.restart();
    expect((await box.call(`GET /v1/runs/${run.runId}`, { as: token })).body.seq).toBe(said.seq);
    expect((await box.say(run, [thinking])).status).toBe(200);
  });

  it("ends in time beside a client that reads nothing and a request that never ends", async () => {
    await using box = await BlackBox.start();
    const port = Number(new URL(box.url).port);
    const idle = await openSocket(box.url, { headers: { authorization: `Bearer ${await userToken("alice")}` } });
    idle.raw.pause();
    const half = connect(port, "127.0.0.1");
    half.on("error", () => {});
    half.write("POST /v1/runs HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n");
    await once(half, "connect");
    const { code, ms } = await box.server.terminate();
    expect(code).toBe(0);
    expect(ms).toBeLessThan(exitLimitMs);
    idle.raw.terminate();
  });
});

describe("dev mode", () => {
  it("prints a token and a key that work, keeps its secret for its owner only, and keeps it over a restart", async () => {
    await using server = await BuiltServer.start({ dev: true, port: 0 });
    expect(server.stdout).toMatch(/^listening on http:\/\/127\.0\.0\.1:\d+$/m);
    await expect.poll(() => server.stdout).toContain("demo API key");
    const [token, key] = [server.banner("demo token"), server.banner("demo API key")];
    const made = await call(server.url, "POST /v1/runs", { as: key, body: { userId: "alice", agent: "a" } });
    expect(made.status).toBe(201);
    expect((await call(server.url, "GET /v1/events", { as: token })).body.events).toHaveLength(1);
    expect((await call(server.url, "GET /v1/ledger", { as: key })).status).toBe(200);
    const secretFile = readdirSync(server.directory).find((name) => name.includes("secret"));
    if (secretFile === undefined) throw new Error("there is no secret file");
    expect(statSync(join(server.directory, secretFile)).mode & permissionBits).toBe(ownerOnly);

    await server.kill9();
    await server.restart();
    expect((await call(server.url, "GET /v1/events", { as: token })).body.events).toHaveLength(1);
    const printed = await runcast(["token", "--user", "bob", "--ttl", "1h"], server.directory, {
      RUNCAST_STORE: `sqlite:${join(server.directory, "runcast.db")}`,
    });
    expect([printed.code, printed.stdout.trim().split(".").length]).toEqual([0, 3]);
    expect((await call(server.url, "GET /v1/events", { as: printed.stdout.trim() })).body.events).toEqual([]);
  });

  it("shows its demo users to pages of this machine only", async () => {
    await using server = await BuiltServer.start({ dev: true });
    const { users } = (await call(server.url, "GET /dev/users")).body;
    expect(users.map(({ userId }: { userId: string }) => userId)).toEqual(["alice", "bob", "carol"]);
    expect((await call(server.url, "GET /v1/runs", { as: users[1].token })).status).toBe(200);
    const pages: readonly Record<string, string>[] = [
      { origin: "http://evil.example" },
      { "sec-fetch-site": "cross-site" },
    ];
    for (const headers of pages) expect((await call(server.url, "GET /dev/users", { headers })).status).toBe(404);
    // A foreign name that resolves to us is DNS rebinding; fetch would not send it.
    const socket = connect(Number(new URL(server.url).port), "127.0.0.1");
    socket.write("GET /dev/users HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n");
    let heard = "";
    for await (const chunk of socket) heard += String(chunk);
    expect(heard).toMatch(/^HTTP\/1\.1 404/);
  });
});

describe("a server that must not start", () => {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "runcast-e2e-"));
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  it.each<[string, readonly string[], Record<string, string>, RegExp]>([
    ["dev mode beyond loopback", ["--host", "0.0.0.0"], {}, /loopback/],
    ["dev mode beyond loopback, by environment", [], { RUNCAST_HOST: "::" }, /loopback/],
    ["a short secret", [], { RUNCAST_JWT_SECRET: canary.slice(0, 31) }, /at least 32/],
    [
      "two ways to know users",
      [],
      { RUNCAST_JWT_SECRET: canary, RUNCAST_JWKS_URL: "https://a.example/jwks" },
      /both set/,
    ],
    ["an unknown store", ["--store", "mongodb://x"], {}, /sqlite:/],
    ["a port that is none", ["--port", "70000"], {}, /port/i],
    ["an unknown flag", ["--prot", "1"], {}, /--port/],
    [
      "a malformed key list",
      [],
      { RUNCAST_JWT_SECRET: canary, RUNCAST_API_KEYS: `k:${canary}:*:root` },
      /RUNCAST_API_KEYS/,
    ],
    ["a lease of nothing", ["--lease-ms", "0"], {}, /lease/i],
  ])("says why in one line, and no secret: %s", async (_, args, env, why) => {
    const { code, stdout, stderr } = await runcast(["serve", ...args], directory, { RUNCAST_PORT: "0", ...env });
    expect(code).toBeGreaterThan(0);
    expect(stderr).toMatch(why);
    expect(stderr.trim().split("\n").length).toBeLessThanOrEqual(2);
    expect(stderr + stdout).not.toContain(canary.slice(0, 31));
    expect(stdout).not.toContain("listening");
  });
});

describe("a server's own words", () => {
  it("hold no token, key, ticket or payload, at any level", async () => {
    await using box = await BlackBox.start({
      env: { RUNCAST_LOG_LEVEL: "debug", RUNCAST_API_KEYS: `publish:${canary}-key:*:publish+admin` },
    });
    const key = `${canary}-key`;
    const token = await userToken("alice", { note: canary });
    const made = await box.publish("runs", { userId: "alice", agent: "a", input: canary }, key);
    expect(made.status).toBe(201);
    await box.publish(`runs/${made.body.runId}/events`, { fence: made.body.fence, events: [{ type: canary }] }, key);
    await box.call(`GET /v1/events?token=${token}`);
    await box.call(`GET /v1/${canary}`, { as: `${canary}-wrong` });
    const { ticket } = (await box.call("POST /v1/tickets", { as: token, body: {} })).body;
    const socket = await openSocket(box.url, { path: `/v1/ws?ticket=${ticket}` });
    socket.send({ type: "hello", token });
    await socket.nextOf("welcome");
    socket.send({ type: "command", ref: canary, name: canary, data: { canary } });
    await socket.nextOf("reply");
    socket.send(`{"${canary}":1}`);
    await socket.ended;
    const metrics = await box.call("GET /metrics");
    const { code } = await box.server.terminate();
    expect(code).toBe(0);
    const words = box.server.stdout + box.server.stderr + metrics.text;
    for (const secret of [canary, token, ticket, token.split(".")[2] ?? ""]) expect(words).not.toContain(secret);
    for (const line of box.server.stderr
      .trim()
      .split("\n")
      .filter((text) => text.startsWith("{")))
      expect(() => JSON.parse(line)).not.toThrow();
    expect(words).toContain("http.answered");
    expect(apiKeys.publish).not.toBe(key);
  });
});
