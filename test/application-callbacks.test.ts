import { once } from "node:events";
import type { Server } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import type { ServerFrame } from "../protocol/frames.ts";
import type { Runcast, RuncastOptions } from "../src/index.ts";
import { createRuncast } from "../src/index.ts";
import { memoryLog } from "../src/log/memory.ts";
import type { Journal } from "../src/telemetry/journal.ts";
import { jsonJournal } from "../src/telemetry/journal.ts";
import { systemClock } from "../src/platform/clock.ts";

const patience = { timeout: 10_000, interval: 2 };
const bug = 1011;
const overloaded = 1013;

let runcast: Runcast;
let server: Server;
let url: string;
let records: string[];
const journalled = (): string[] => records.map((line) => JSON.parse(line).what);

async function listen(options: Partial<RuncastOptions>): Promise<void> {
  records = [];
  runcast = await createRuncast({
    store: "memory:",
    auth: (token) => ({ userId: token }),
    journal: jsonJournal(systemClock, "info", (line) => records.push(line)),
    ...options,
  });
  server = createServer();
  runcast.attach(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/v1/ws`;
}

afterEach(async () => {
  await runcast.close();
  server.closeAllConnections();
  server.close();
});

interface Tab {
  readonly frames: ServerFrame[];
  readonly socket: WebSocket;
  readonly closeCode: Promise<number>;
  replies(): unknown[];
}

async function tab(token: string): Promise<Tab> {
  const socket = new WebSocket(url, ["runcast.v1"]);
  const frames: ServerFrame[] = [];
  socket.on("message", (data: Buffer) => frames.push(JSON.parse(data.toString("utf8"))));
  const closeCode = once(socket, "close").then(([code]) => Number(code));
  await once(socket, "open");
  socket.send(JSON.stringify({ type: "hello", token, from: "start" }));
  return { frames, socket, closeCode, replies: () => frames.filter(({ type }) => type === "reply") };
}

const welcomed = async (token: string): Promise<Tab> => {
  const made = await tab(token);
  await expect.poll(() => made.frames[0]?.type, patience).toBe("welcome");
  return made;
};

/** A run of alice reaches alice: everything is as it was. */
async function expectService(alice: Tab): Promise<void> {
  const before = alice.frames.length;
  const run = await runcast.startRun({ userId: "alice", agent: "a" });
  await run.completed();
  await expect.poll(() => JSON.stringify(alice.frames.slice(before)), patience).toContain("agent_completed");
}

const circular: Record<string, unknown> = {};
circular["self"] = circular;
const unprintable = new Error("never read");
Object.defineProperty(unprintable, "message", {
  get: () => {
    throw new Error("from the message");
  },
});

const throwing = (cause: unknown) => () => {
  throw cause;
};

describe("a callback of the application that throws (I0)", () => {
  it.each<[string, RuncastOptions["onCommand"]]>([
    ["an error, at once", throwing(new Error("no"))],
    ["an error, later", async () => Promise.reject(new Error("no"))],
    ["nothing", async () => Promise.reject(undefined)],
    ["what is no JSON", async () => Promise.reject(circular)],
    ["a big number", async () => Promise.reject(1n)],
    ["an error that cannot be read", async () => Promise.reject(unprintable)],
    ["never, and answers with what is no JSON", async () => circular as never],
    ["never, and answers with a big number", async () => ({ count: 1n }) as never],
  ])("costs its own reply: onCommand throws %s", async (_, onCommand) => {
    await listen({ onCommand });
    const alice = await welcomed("alice");
    alice.socket.send(JSON.stringify({ type: "command", ref: 1, name: "send_message", data: {} }));
    await expect
      .poll(alice.replies, patience)
      .toMatchObject([{ ref: 1, ok: false, error: { code: "command_failed" } }]);
    expect(journalled()).toContain("command.failed");
    await expectService(alice);
    expect(alice.socket.readyState).toBe(WebSocket.OPEN);
  });

  it.each<[string, number, unknown]>([
    ["throws at once", overloaded, throwing(new Error("no"))],
    ["rejects", overloaded, async () => Promise.reject(circular)],
    ["answers null", bug, () => null],
    [
      "answers with a user that throws",
      bug,
      () => ({
        get userId() {
          throw new Error("no");
        },
      }),
    ],
    ["answers with an end that is no date", bug, () => ({ userId: "mallory", expiresAt: 5 })],
  ])("costs its own connection: the token check %s", async (_, code, check) => {
    await listen({
      auth: (token) => (token === "alice" ? { userId: token } : (check as () => never)()),
    });
    const alice = await welcomed("alice");
    expect(await (await tab("mallory")).closeCode).toBe(code);
    await expectService(alice);
    expect(alice.socket.readyState).toBe(WebSocket.OPEN);
  });

  it("is detached, when it watches the actors, and another goes on", async () => {
    await listen({});
    let heard = 0;
    let thrown = 0;
    runcast.inspect(() => {
      thrown += 1;
      throw new Error("no");
    });
    runcast.inspect(() => (heard += 1));
    await expectService(await welcomed("alice"));
    expect(thrown).toBe(1);
    expect(heard).toBeGreaterThan(5);
    expect(journalled()).toEqual(["inspect.observerFailed"]);
  });

  it("costs its own records, when it is the journal", async () => {
    const journal: Journal = { write: throwing(new Error("the disk is full")) };
    await listen({ journal, onCommand: throwing(new Error("no")) });
    const alice = await welcomed("alice");
    alice.socket.send(JSON.stringify({ type: "command", ref: 1, name: "send_message", data: {} }));
    await expect.poll(alice.replies, patience).toMatchObject([{ ok: false }]);
    await expectService(alice);
  });

  it("does not keep the doors shut, when it hears of orphans, and hears of each", async () => {
    const store = memoryLog();
    const before = await createRuncast({ store, auth: () => undefined });
    for (const userId of ["alice", "bob"]) await before.startRun({ userId, agent: "a", leaseMs: 60_000 });
    let heard = 0;
    await listen({
      store,
      onOrphan: () => {
        heard += 1;
        throw new Error("no");
      },
    });
    await expectService(await welcomed("alice"));
    await expect.poll(() => heard, patience).toBe(2);
    expect(journalled()).toEqual(["orphan.callbackFailed", "orphan.callbackFailed"]);
  });
});
