import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Program } from "./program.ts";
import { program } from "./program.ts";

const timeoutMs = 30_000;
let folder: string;
let programs: Program[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "runcast-serve-"));
  programs = [];
});
afterEach(async () => {
  for (const { child } of programs) child.kill("SIGKILL");
  await Promise.all(programs.map(({ ended }) => ended));
  rmSync(folder, { recursive: true, force: true });
});

function start(args: readonly string[], env?: Readonly<Record<string, string>>): Program {
  const started = program(folder, args, env);
  programs.push(started);
  return started;
}

interface Served {
  readonly server: Program;
  readonly url: string;
  readonly key: string;
}

const serve = (...args: readonly string[]): Promise<Served> => listening(start(["serve", "--port", "0", ...args]));

async function listening(server: Program): Promise<Served> {
  const [, url = ""] = await server.line(/^listening on (http:\/\/127\.0\.0\.1:\d+)$/);
  const [, key = ""] = await server.line(/demo API key +(\S+)/);
  return { server, url, key };
}

async function post(served: Served, path: string, body: unknown): Promise<Record<string, unknown>> {
  const response = await fetch(`${served.url}/v1${path}`, {
    method: "POST",
    headers: { authorization: `Bearer ${served.key}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const answer = (await response.json()) as Record<string, unknown>;
  expect(response.ok, JSON.stringify(answer)).toBe(true);
  return answer;
}

async function startRun(served: Served, runId: string) {
  const { fence } = await post(served, "/runs", { userId: "alice", runId, agent: "tester", input: "hello" });
  return (...events: readonly { type: string; data?: unknown }[]) =>
    post(served, `/runs/${runId}/events`, { fence, events });
}

/** For tests that leave it as it is: a server in memory that knows one run, `run-1` of alice. */
const common = ["--store", "memory:"];
let lasting: Served;
let lastingFolder: string;

beforeAll(async () => {
  lastingFolder = mkdtempSync(join(tmpdir(), "runcast-serve-"));
  lasting = await listening(program(lastingFolder, ["serve", "--port", "0", ...common]));
  await startRun(lasting, "run-1");
}, timeoutMs);
afterAll(async () => {
  lasting.server.child.kill("SIGKILL");
  await lasting.server.ended;
  rmSync(lastingFolder, { recursive: true, force: true });
});

/** Beside the lasting server, and so with its dev secret. */
function startBeside(...args: readonly string[]): Program {
  const started = program(lastingFolder, args);
  programs.push(started);
  return started;
}

describe("runcast serve", () => {
  it(
    "bounds its young generation without becoming another process",
    async () => {
      const { server } = lasting;
      const commandLine = readFileSync(`/proc/${server.child.pid}/cmdline`, "utf8").split("\0");
      expect(commandLine.filter((argument) => argument.startsWith("--max-semi-space-size"))).toHaveLength(1);
    },
    timeoutMs,
  );

  it(
    "listens in dev mode with a banner, a token and a key that work, and drains on SIGTERM",
    async () => {
      const served = await serve("--store", "memory:");
      const { server, url } = served;
      await server.line(/^DEV MODE/);
      const [, token = ""] = await server.line(/demo token +(\S+)/);
      await startRun(served, "run-1");
      const runs = await fetch(`${url}/v1/runs`, { headers: { authorization: `Bearer ${token}` } });
      expect(await runs.json()).toMatchObject({ runs: [{ runId: "run-1" }] });
      server.child.kill("SIGTERM");
      expect(await server.ended).toMatchObject({ code: 0 });
    },
    timeoutMs,
  );

  it(
    "keeps the log: a server that was killed has every accepted event after its restart",
    async () => {
      const first = await serve();
      const say = await startRun(first, "run-1");
      await say({ type: "agent_thinking" }, { type: "x.note", data: { kept: true } });
      first.server.child.kill("SIGKILL");
      await first.server.ended;
      const second = await serve();
      const { stdout } = await tailed(second, ["run-1", "--json"], 3);
      expect(stdout.map((event) => [event["seq"], event["type"]])).toEqual([
        [1, "agent_started"],
        [2, "agent_thinking"],
        [3, "x.note"],
      ]);
    },
    timeoutMs,
  );

  it.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)(
    "ends at once at a second %s, with %i",
    async (signal, exitCode) => {
      const { server, url } = await serve("--store", "memory:");
      // A request that never ends holds up the drain for its grace.
      const { port, hostname } = new URL(url);
      const socket = connect(Number(port), hostname).on("error", () => {});
      socket.write("GET / HTTP/1.1\r\n");
      await once(socket, "connect");
      server.child.kill(signal);
      await server.errorLine(/draining; once more ends at once/);
      server.child.kill(signal);
      expect(await server.ended).toMatchObject({ code: exitCode });
      socket.destroy();
    },
    timeoutMs,
  );

  it(
    "says in one line that the port is taken",
    async () => {
      const { port } = new URL(lasting.url);
      const { code, stderr } = await start(["serve", ...common, "--port", port]).ended;
      expect(code).toBe(1);
      expect(stderr).toMatch(/^runcast serve: .*address already in use.*--port/);
      expect(stderr.split("\n")).toHaveLength(2);
    },
    timeoutMs,
  );

  it.each([
    [["--host", "0.0.0.0"], {}, /dev mode binds loopback only/],
    [["--port", "70000"], {}, /--port cannot be "70000"; right is 0/],
    [["--store", "mongo:x"], {}, /--store cannot be "mongo:x"; right is sqlite:<file>, memory:, postgres:/],
    [["--config", "none.json"], {}, /none\.json does not exist/],
    [[], { RUNCAST_JWT_SECRET: "short" }, /RUNCAST_JWT_SECRET is 5 bytes long/],
  ])(
    "refuses to start with %j %j",
    async (args, env, why) => {
      const { code, stdout, stderr } = await start(["serve", ...args], env).ended;
      expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
      expect(stderr).toMatch(why);
    },
    timeoutMs,
  );
});

/** The first `count` JSON lines of a tail that goes on. */
async function tailed({ url }: Served, args: readonly string[], count: number) {
  const tail = start(["tail", ...args, "--url", url]);
  const lines: Record<string, unknown>[] = [];
  let text = "";
  const { promise, resolve } = Promise.withResolvers<void>();
  tail.child.stdout.on("data", (part: string) => {
    text += part;
    const whole = text.split("\n");
    text = whole.pop() ?? "";
    lines.push(...whole.map((line) => JSON.parse(line) as Record<string, unknown>));
    if (lines.length >= count) resolve();
  });
  await Promise.race([promise, tail.ended]);
  return { tail, stdout: lines };
}

describe("runcast tail", () => {
  it(
    "shows a run from its start and ends with 0 when it completes",
    async () => {
      const say = await startRun(lasting, "run-shown");
      const tail = startBeside("tail", "run-shown", "--user", "alice", ...common, "--url", lasting.url);
      await tail.line(/#1 .* agent_started +tester {2}hello/);
      await say({ type: "tool_executing", data: { toolCallId: "c", toolName: "search", args: { q: 1 } } });
      await tail.line(/#2 .* tool_executing +search {2}\{"q":1\}/);
      await say(
        { type: "tool_completed", data: { toolCallId: "c", status: "ok" } },
        { type: "agent_completed", data: { output: "done" } },
      );
      const { code, stdout, stderr } = await tail.ended;
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      expect(stdout.split("\n")).toHaveLength(5);
      expect(stdout).toMatch(/agent_completed +done\n$/);
    },
    timeoutMs,
  );

  it.each([
    [{ type: "agent_failed", data: { error: { code: "e", message: "m", retryable: false } } }],
    [{ type: "agent_cancelled", data: {} }],
  ])(
    "ends with 3 when the run ends with %j, for its owner and for an API key",
    async (ending) => {
      const runId = `run-${ending.type}`;
      const say = await startRun(lasting, runId);
      const there = [...common, "--url", lasting.url];
      const owner = startBeside("tail", runId, "--user", "alice", ...there);
      const dev = startBeside("tail", runId, ...there);
      const key = startBeside("tail", runId, "--key", lasting.key, "--url", lasting.url);
      await Promise.all([owner, dev, key].map((tail) => tail.line(/agent_started/)));
      await say(ending);
      const ends = await Promise.all([owner.ended, dev.ended, key.ended]);
      expect(ends.map(({ code }) => code)).toEqual([3, 3, 3]);
      expect(new Set(ends.map(({ stdout }) => stdout)).size).toBe(1);
      const late = await startBeside("tail", runId, "--user", "alice", "--from", "now", ...there).ended;
      expect(late.code).toBe(3);
    },
    timeoutMs,
  );

  it(
    "follows all of a user, beginning with the living runs, and no one else's",
    async () => {
      const served = await serve();
      const before = await startRun(served, "run-before");
      await post(served, "/runs", { userId: "bob", runId: "run-bob", agent: "tester" });
      const tail = start(["tail", "--user", "alice", "--url", served.url]);
      await tail.line(/started at #1 @1 +tester \(run-before\)/);
      await before({ type: "agent_thinking", data: { thought: "hm" } });
      await tail.line(/agent_thinking +hm/);
      await startRun(served, "run-after");
      await tail.line(/agent_started +tester {2}hello {2}\(run-after\)/);
      tail.child.kill("SIGINT");
      const { code, stdout } = await tail.ended;
      expect(code).toBe(130);
      expect(stdout).not.toContain("run-bob");
    },
    timeoutMs,
  );

  it(
    "goes on where it was when the server comes back, without a hole or a double",
    async () => {
      const first = await serve();
      const { port } = new URL(first.url);
      const say = await startRun(first, "run-1");
      const tail = start(["tail", "run-1", "--user", "alice", "--json", "--url", first.url]);
      await say({ type: "x.one", data: {} });
      await tail.line(/"type":"x\.one"/);
      first.server.child.kill("SIGKILL");
      await first.server.ended;
      await tail.errorLine(/trying again/);
      const server = start(["serve", "--port", port]);
      await server.line(/^listening on/);
      const second = { ...first, server };
      const { fence } = await post(second, "/runs/run-1/claim", {});
      await post(second, "/runs/run-1/events", {
        fence,
        events: [
          { type: "x.two", data: {} },
          { type: "agent_completed", data: {} },
        ],
      });
      const { code, stdout } = await tail.ended;
      expect(code).toBe(0);
      const seqs = stdout
        .trim()
        .split("\n")
        .map((line) => (JSON.parse(line) as { seq: number }).seq);
      expect(seqs).toEqual([1, 2, 3, 4]);
    },
    timeoutMs,
  );

  it.each([
    [["run-none", "--user", "alice"], /no such run, or not yours/],
    [["run-1", "--user", "bob"], /no such run, or not yours/],
    [["run-1", "--token", "a.b.c"], /the credential is not accepted/],
    [["--token", "a.b.c"], /the token is not accepted/],
    [["run-1", "--key", "wrong"], /the credential is not accepted/],
  ])(
    "fails with 1 for %j",
    async (args, why) => {
      const store = args.includes("--user") ? common : [];
      const { code, stdout, stderr } = await startBeside("tail", ...args, ...store, "--url", lasting.url).ended;
      expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
      expect(stderr).toMatch(why);
    },
    timeoutMs,
  );

  it(
    "fails with 1 when nobody listens, and when there is no dev secret to speak with",
    async () => {
      const { code, stderr } = await start(["tail", "run-1", "--key", "k", "--url", "http://127.0.0.1:1"]).ended;
      expect(code).toBe(1);
      expect(stderr).toMatch(/cannot reach http:\/\/127\.0\.0\.1:1: is the server running\?/);
      const bare = await start(["tail", "--user", "alice"]).ended;
      expect(bare.code).toBe(1);
      expect(bare.stderr).toMatch(/no dev secret at .*runcast\.db\.dev-secret/);
    },
    timeoutMs,
  );
});
