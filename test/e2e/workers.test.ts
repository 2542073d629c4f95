import { once } from "node:events";
import { readFileSync } from "node:fs";
import { get } from "node:http";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { program } from "../cli/program.ts";
import { BuiltServer, jwtSecret } from "../support/built-server.ts";
import { collect } from "../support/collecting-client.ts";
import { eventually } from "../support/eventually.ts";
import { call } from "../support/http-reader.ts";
import { expectWhole, publishFor } from "../support/publishers.ts";
import { seededRandom } from "../support/seeded-random.ts";
import type { SharedStore } from "../support/shared-store.ts";
import { sharedStore } from "../support/shared-store.ts";

const workers = 2;
const userIds = ["ada", "bea"];
const checkEveryMs = 20;
const moreEvents = 2;
const exitLimitMs = 10_000;
/** Two starts and two drains, on a machine with other work. */
const rollPatienceMs = 60_000;
const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000);
const random = seededRandom(seed);

let store: SharedStore;
let server: BuiltServer;
let auditLog: string;
beforeAll(async () => {
  store = await sharedStore("redis");
  server = await serverOn(store);
  auditLog = join(server.directory, "audit.jsonl");
});
afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  await store?.[Symbol.asyncDispose]();
});

const serverOn = ({ url }: SharedStore): Promise<BuiltServer> =>
  BuiltServer.start({
    env: {
      RUNCAST_STORE: url,
      RUNCAST_SPOOL: "none",
      RUNCAST_WORKERS: String(workers),
      RUNCAST_AUDIT: "file:audit.jsonl",
    },
  });

const pids = (server: BuiltServer): number[] =>
  readFileSync(`/proc/${server.pid}/task/${server.pid}/children`, "utf8").trim().split(" ").map(Number);

/** What the journal said under this name. */
const said = (server: BuiltServer, what: string): Record<string, unknown>[] =>
  server.stderr
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line): Record<string, unknown> => JSON.parse(line))
    .filter((line) => line["what"] === what);

const sampled = async (server: BuiltServer, name: string): Promise<readonly (readonly [string, number])[]> => {
  const { text } = await call(server.url, "GET /metrics");
  return [...text.matchAll(new RegExp(`^${name}\\{worker="(\\d+)"\\} (\\d+)$`, "gm"))].map(
    ([, worker = "", value]) => [worker, Number(value)] as const,
  );
};

/** On a connection of its own, as those who check a server ask. */
function readiness({ url }: BuiltServer): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    get(`${url}/readyz`, { agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode);
    }).on("error", reject);
  });
}

/** Runs something while publishers publish and clients read, and holds what came against what was acknowledged. */
async function underLoad(server: BuiltServer, prefix: string, disturb: () => Promise<void>): Promise<void> {
  const users = userIds.map((userId) => `${prefix}-${userId}`);
  const publishers = publishFor(server, users, random);
  const clients = users.map((userId) => collect(userId, { url: server.url, from: "start" }));
  await Promise.all(clients.map((client) => client.has(1)));
  await disturb();
  await Promise.all(clients.map((client) => client.live()));
  await publishers.end();
  for (const [index, userId] of users.entries()) {
    const stored = await expectWhole(server, userId, publishers);
    const client = clients[index];
    await client?.has(stored.length);
    expect(client?.seen.map(({ id }) => id)).toEqual(stored.map(({ id }) => id));
    client?.client.close();
  }
}

/** One of its workers, until another is in its place. */
async function killOne(server: BuiltServer): Promise<void> {
  const [victim = 0] = pids(server);
  process.kill(victim, "SIGKILL");
  await eventually(() => expect(said(server, "worker.died")).toMatchObject([{ pid: victim, signal: "SIGKILL" }]));
  await eventually(() => expect(said(server, "worker.ready")).toHaveLength(1));
}

/** All of its workers, one after another; it is ready all the while. */
async function roll(server: BuiltServer): Promise<void> {
  const before = pids(server);
  const answers = new Set<number | undefined>();
  let isRolling = true;
  const watched = (async () => {
    while (isRolling) {
      answers.add(await readiness(server));
      await new Promise((resolve) => setTimeout(resolve, checkEveryMs));
    }
  })();
  server.signal("SIGHUP");
  await eventually(() => expect(said(server, "workers.rolled")).toHaveLength(1), rollPatienceMs);
  isRolling = false;
  await watched;
  expect([...answers]).toEqual([200]);
  expect(pids(server).filter((pid) => before.includes(pid))).toEqual([]);
}

describe(`a server of ${workers} workers (SEED=${seed})`, () => {
  it("listens once on one port, as processes that are all up and all get connections", async () => {
    expect(server.stdout.match(/listening on/g)).toHaveLength(1);
    expect(new Set(pids(server)).size).toBe(workers);
    expect(await sampled(server, "runcast_worker_up")).toEqual([
      ["1", 1],
      ["2", 1],
    ]);
    const clients = userIds.map((userId) => collect(userId, { url: server.url }));
    await Promise.all(clients.map((client) => client.live()));
    await eventually(async () => {
      const connections = await sampled(server, "runcast_connections");
      expect(connections.map(([worker]) => worker)).toEqual(["1", "2"]);
      expect(connections.every(([, count]) => count > 0)).toBe(true);
    });
    for (const { client } of clients) client.close();
  });

  it("replaces a worker that is killed, and its users miss nothing (L5, L6)", async () => {
    await underLoad(server, "killed", () => killOne(server));
    expect(pids(server)).toHaveLength(workers);
    expect(
      (await sampled(server, "runcast_worker_deaths_total"))
        .map(([, deaths]) => deaths)
        .toSorted((one, next) => one - next),
    ).toEqual([0, 1]);
  });

  it("restarts its workers one after another at SIGHUP, ready all the while, and nobody misses anything", async () => {
    await underLoad(server, "rolled", () => roll(server));
    expect(said(server, "worker.died")).toHaveLength(1);
  });

  it("drains at SIGTERM as one, and leaves one audit log that is whole", async () => {
    const stopped = await server.terminate();
    expect(stopped).toMatchObject({ code: 0 });
    expect(stopped.ms).toBeLessThan(exitLimitMs);
    const { code, stdout } = await program(server.directory, ["audit", "verify", "--file", auditLog]).ended;
    expect({ code, stdout }).toMatchObject({ code: 0, stdout: expect.stringMatching(/^whole: \d+ entries/) });
    const entries = readFileSync(auditLog, "utf8");
    for (const userId of userIds) expect(entries).toContain(`"userId":"rolled-${userId}"`);
  });

  it("ends with the reason, said once, when it cannot start", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const { port } = taken.address() as AddressInfo;
    const env = {
      RUNCAST_STORE: store.url,
      RUNCAST_SPOOL: "none",
      RUNCAST_JWT_SECRET: jwtSecret,
      RUNCAST_WORKERS: "auto",
    };
    const { code, stderr } = await program(server.directory, ["serve", "--port", String(port)], env).ended;
    expect(code).toBe(1);
    expect(stderr.match(/cannot listen: .*EADDRINUSE/g)).toHaveLength(1);
    taken.close();
  });
});

describe(`a server of ${workers} workers on PostgreSQL (SEED=${seed})`, () => {
  it("replaces a worker that is killed, restarts all of them at SIGHUP, and its users miss nothing (L5, L6)", async () => {
    await using postgres = await sharedStore("postgres");
    await using own = await serverOn(postgres);
    await underLoad(own, "moved", async () => {
      await killOne(own);
      await roll(own);
    });
    expect(pids(own)).toHaveLength(workers);
    expect(said(own, "worker.died")).toHaveLength(1);
    expect(await own.terminate()).toMatchObject({ code: 0 });
  });
});

describe("the demo of a server with workers", () => {
  it("says once what dev mode is, answers at whichever worker, and leaves the runs of others alone", async () => {
    const options = {
      dev: true,
      args: ["--demo"],
      env: {
        RUNCAST_STORE: store.url,
        RUNCAST_SPOOL: "none",
        RUNCAST_WORKERS: "2",
        RUNCAST_DEMO_SPEED: "0.1",
      },
    };
    await using demo = await BuiltServer.start(options);
    await eventually(() => demo.banner("demo token"));
    expect(demo.stdout.match(/DEV MODE/g)).toHaveLength(1);
    const alice = collect("alice", { url: demo.url, token: () => demo.banner("demo token"), from: "start" });
    await alice.live();
    await alice.client.send("What is 17 * 23?");
    const types = (): string[] => alice.seen.map(({ type }) => type);
    await eventually(() => expect(types()).toContain("agent_started"));
    // Whose agent is not the first one's: what it finds unfinished lives, and goes on.
    await using other = await BuiltServer.start({ ...options, env: { ...options.env, RUNCAST_WORKERS: "1" } });
    expect(other.url).not.toBe(demo.url);
    const said = alice.seen.length;
    expect(types()).not.toContain("agent_completed");
    await eventually(() => expect(alice.seen.length).toBeGreaterThan(said + moreEvents), rollPatienceMs);
    expect(types()).not.toContain("agent_failed");
    alice.client.close();
  });
});
