import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import type { Server } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import type { StreamEvent } from "../../protocol/event.ts";
import type { Runcast, RuncastOptions } from "../../src/index.ts";
import { createRuncast } from "../../src/index.ts";
import { jwtSecret, userToken } from "../support/built-server.ts";
import { collect } from "../support/collecting-client.ts";
import { call } from "../support/http-reader.ts";

/** An application with pages and a socket of its own, in which Runcast is a guest. */
class Application implements AsyncDisposable {
  readonly server: Server;
  url = "";
  private readonly own = new WebSocketServer({ noServer: true });

  constructor() {
    this.server = createServer((request, response) => {
      response.writeHead(request.url === "/" ? 200 : 404).end(`the application at ${request.url}`);
    });
    this.server.on("upgrade", (request, socket, head) => {
      if (request.url === "/chat") this.own.handleUpgrade(request, socket, head, (chat) => this.serve(chat));
    });
  }

  async listen(): Promise<void> {
    this.server.listen(0, "127.0.0.1");
    await once(this.server, "listening");
    this.url = `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.own.close();
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, "close");
  }

  private serve(chat: WebSocket): void {
    chat.on("message", (text: Buffer) => chat.send(`echo ${text.toString()}`));
  }
}

let directory: string;
let application: Application;
let runcast: Runcast;
let url: string;

function embedded(options: Partial<RuncastOptions> = {}): Promise<Runcast> {
  return createRuncast({
    store: `sqlite:${join(directory, "app.db")}`,
    auth: { kind: "secret", secret: jwtSecret },
    onCommand: async ({ userId, tenantId, threadId, data }) => {
      const run = await runcast.startRun({
        userId,
        tenantId,
        ...(threadId && { threadId }),
        agent: "echo",
        input: data,
      });
      await run.completed(data["text"]);
      return { runId: run.runId };
    },
    ...options,
  });
}

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "runcast-embed-"));
  application = new Application();
  runcast = await embedded();
  runcast.attach(application.server);
  await application.listen();
  ({ url } = application);
});

afterEach(async () => {
  await runcast.close();
  await application[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true, force: true });
});

describe("an embedded runcast", () => {
  it("leaves the application its routes and its sockets", async () => {
    expect(await call(url, "GET /")).toMatchObject({ status: 200, text: "the application at /" });
    expect(await call(url, "GET /other")).toMatchObject({ status: 404, text: "the application at /other" });
    expect((await call(url, "GET /v1/nothing")).body.error.code).toBe("not_found");
    expect((await call(url, "GET /v1/runs")).status).toBe(401);
    const socket = new WebSocket(`${url.replace("http", "ws")}/chat`);
    await once(socket, "open");
    socket.send("hello");
    const [echo] = (await once(socket, "message")) as [Buffer];
    expect(echo.toString()).toBe("echo hello");
    socket.close();
    await once(socket, "close");
  });

  it("carries an agent of the same process to its user's tab", async () => {
    const tab = collect("alice", { url, from: "start" });
    await tab.live();
    const run = await runcast.startRun({ userId: "alice", agent: "adder", threadId: "t1", input: "2 + 3" });
    await run.thinking("two numbers");
    const sum = await run.tool({ toolName: "add", args: { a: 2, b: 3 } }, () => 5);
    await run.delta("m1", "It is ");
    await run.delta("m1", `${sum}.`);
    await run.completed({ sum });
    const view = await tab.client.run(run.runId).done;
    expect(view).toMatchObject({ state: "completed", output: { sum: 5 }, messages: [{ text: "It is 5." }] });
    expect(await runcast.run(run.runId)).toEqual(view);
    await tab.has(view.offset);
    const followed: StreamEvent[] = [];
    for await (const event of runcast.events({ userId: "alice" })) {
      followed.push(event);
      if (event.offset === view.offset) break;
    }
    expect(tab.seen).toEqual(followed);
    expect(followed.map(({ type }) => type)).toEqual([
      "agent_started",
      "agent_thinking",
      "tool_executing",
      "tool_completed",
      "agent_delta",
      "agent_delta",
      "agent_completed",
    ]);
    tab.client.close();
  });

  it("stops the agent's own code when its user asks for it", async () => {
    const tab = collect("alice", { url, from: "start" });
    await tab.live();
    const run = await runcast.startRun({ userId: "alice", agent: "sleeper" });
    const work = run.tool({ toolName: "sleep" }, (signal) => {
      const { promise, reject } = Promise.withResolvers<never>();
      signal.addEventListener("abort", () => reject(signal.reason));
      return promise;
    });
    await tab.has(2);
    await tab.client.cancel(run.runId, "enough");
    await expect(work).rejects.toMatchObject({ name: "AbortError", message: "enough" });
    expect(run.signal.aborted).toBe(true);
    await run.cancelled("stopped by its user");
    const view = await tab.client.run(run.runId).done;
    expect(view).toMatchObject({ state: "cancelled", reason: "stopped by its user", tools: [{ toolName: "sleep" }] });
    await expect(run.thinking("still here")).rejects.toMatchObject({ _tag: "RunEnded" });
    tab.client.close();
  });

  it("answers a user's message with a run, and refuses a stranger's cancel as if there were no run", async () => {
    const alice = collect("alice", { url, from: "start" });
    const bob = collect("bob", { url, from: "start" });
    const { runId } = await alice.client.send("hi", { threadId: "t9" });
    expect(await alice.client.run(String(runId)).done).toMatchObject({
      state: "completed",
      output: "hi",
      threadId: "t9",
    });
    const living = await runcast.startRun({ userId: "alice", agent: "slow" });
    const foreign = await bob.client.cancel(living.runId).catch((error: unknown) => error);
    const missing = await bob.client.cancel("no-such-run").catch((error: unknown) => error);
    expect(String(foreign)).toMatch(/no such run/);
    expect(String(foreign)).toBe(String(missing));
    expect(bob.seen).toEqual([]);
    expect(living.signal.aborted).toBe(false);
    for (const { client } of [alice, bob]) client.close();
  });

  it("drains on close: goodbye to tabs, living runs end, nothing new begins, all of it is durable", async () => {
    const reading = collect("alice", { url, from: "start" });
    await reading.live();
    const tab = new WebSocket(`${url.replace("http", "ws")}/v1/ws`, ["runcast.v1"]);
    const frames: { type: string; reason?: string; retryAfterMs?: number }[] = [];
    tab.on("message", (text: Buffer) => frames.push(JSON.parse(text.toString())));
    await once(tab, "open");
    const token = await userToken("alice");
    tab.send(JSON.stringify({ type: "hello", token }));
    await expect.poll(() => frames.map(({ type }) => type)).toContain("welcome");
    const run = await runcast.startRun({ userId: "alice", agent: "worker" });
    await run.thinking("in the middle");
    const closed = once(tab, "close") as Promise<[number, Buffer]>;
    await runcast.close();
    const [code] = await closed;
    expect(code).toBe(1012);
    expect(frames.at(-1)).toMatchObject({ type: "goodbye", reason: "restart", retryAfterMs: expect.any(Number) });
    expect(run.signal.aborted).toBe(true);
    await expect(runcast.startRun({ userId: "alice", agent: "late" })).rejects.toMatchObject({ _tag: "NotAccepting" });
    reading.client.close();

    // The application's own part is untouched, and a new runcast on the same store has it all.
    expect((await call(url, "GET /")).status).toBe(200);
    runcast = await embedded();
    expect(await runcast.run(run.runId)).toMatchObject({ state: "interrupted", reason: "shutdown", seq: 3 });
  });
});
