import { execFile } from "node:child_process";
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { StreamEvent } from "../../protocol/event.ts";
import type { Publisher, PublisherOptions } from "../../src/publisher/index.ts";
import { connectPublisher } from "../../src/publisher/index.ts";
import { runAgent } from "../../src/runners/plain.ts";
import { apiKeys, BuiltServer, userToken } from "../support/built-server.ts";
import { collect } from "../support/collecting-client.ts";
import { readAll } from "../support/http-reader.ts";

const patienceMs = 20_000;
const shortLeaseMs = 1_000;

let server: BuiltServer;
beforeAll(async () => {
  server = await BuiltServer.start({ env: { RUNCAST_LEASE_MS: String(shortLeaseMs), RUNCAST_GRACE_MS: "500" } });
});
afterAll(() => server[Symbol.asyncDispose]());

/** A runner's own connection to the built server, as an application makes it. */
const publisherOf = (options: Partial<PublisherOptions> = {}): Publisher =>
  connectPublisher({ url: server.url, apiKey: apiKeys.publish, ...options });

const logOf = async (userId: string): Promise<StreamEvent[]> =>
  readAll(server.url, "/v1/events", await userToken(userId));

const dense = (log: readonly StreamEvent[]): boolean => log.every(({ seq }, at) => seq === at + 1);
const results = (log: readonly StreamEvent[]) => log.flatMap(({ data }) => ("result" in data ? [data.result] : []));
const texts = (log: readonly StreamEvent[]) =>
  log.flatMap(({ type, data }) => (type === "agent_delta" && "text" in data ? [data.text] : []));
const firstNumbers = (count: number): number[] => [...Array(count).keys()];

/** What the proxy does with the next publishes: 503 in the server's place, before or after it has committed, or a cut. */
type Trick = "pass" | "refuse" | "refuseAfterCommit" | "cutAfterCommit";

/** An HTTP proxy before the server that plays tricks with publishes. */
async function trickyProxy(tricks: Trick[]) {
  const carry = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const trick = request.url?.includes("/events") ? (tricks.shift() ?? "pass") : "pass";
    if (trick === "refuse") return void response.writeHead(503, { "retry-after": "0" }).end("come back");
    const headers = { authorization: request.headers.authorization ?? "", "content-type": "application/json" };
    const answer = await fetch(server.url + request.url, { method: "POST", headers, body: Buffer.concat(chunks) });
    const text = await answer.text();
    if (trick === "cutAfterCommit") return void request.socket.destroy();
    if (trick === "refuseAfterCommit") return void response.writeHead(503).end("the upstream took too long");
    response.writeHead(answer.status, { "content-type": "application/json" }).end(text);
  };
  const proxy = createServer((request, response) => void carry(request, response));
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  return {
    url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      proxy.closeAllConnections();
      await new Promise((resolve) => proxy.close(resolve));
    },
  };
}

/** What a program of its own prints, that has a publisher's words at hand. Rejects when it does not end well. */
async function outputOf(program: string): Promise<string> {
  const whole = `
    import { connectPublisher } from "runcast/publisher";
    import { runAgent } from "runcast/runner";
    const { URL: url, KEY: apiKey } = process.env;
    ${program}`;
  const env = { ...process.env, URL: server.url, KEY: apiKeys.publish };
  const args = ["--input-type=module", "--eval", whole];
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { env, timeout: patienceMs });
  return stdout + stderr;
}

describe("a remote runner", () => {
  it("goes on over a server that is killed and started again: nothing lost, nothing doubled (I1, I18)", async () => {
    const publisher = publisherOf({ tries: "lease", retryMs: 20 });
    const run = await publisher.startRun({ userId: "killed", agent: "a", leaseMs: 60_000 });
    const tab = collect("killed", { url: server.url, from: "start" });
    await tab.live();
    const kills = 2;
    const steps = 40;
    const restarts: Promise<unknown>[] = [];
    const outcome = await runAgent(run, async (agent) => {
      for (let step = 0; step < steps; step += 1) {
        // Said and not awaited: a kill finds some of it under way.
        for (let word = 0; word < 5; word += 1) void agent.delta("m", `${step}.${word} `);
        if (step > 0 && step % Math.ceil(steps / (kills + 1)) === 0)
          restarts.push(server.kill9().then(() => server.restart()));
        await agent.tool("count", () => step);
        await Promise.all(restarts);
      }
      return "done";
    });
    expect(outcome).toEqual({ state: "completed", output: "done" });
    expect(restarts).toHaveLength(kills);
    const log = await logOf("killed");
    expect(dense(log)).toBe(true);
    expect(results(log)).toEqual(firstNumbers(steps));
    const words = firstNumbers(steps).flatMap((step) => firstNumbers(5).map((word) => `${step}.${word} `));
    expect(texts(log)).toEqual(words);
    expect(log.at(-1)?.type).toBe("agent_completed");
    await tab.has(log.at(-1)?.offset ?? 0);
    expect(tab.seen).toEqual(log);
    tab.client.close();
  });

  it("waits for a server that stands still, and says nothing twice", async () => {
    const publisher = publisherOf({ tries: "lease", timeoutMs: 300, retryMs: 20 });
    const run = await publisher.startRun({ userId: "paused", agent: "a", leaseMs: 60_000 });
    const { pid = 0 } = server;
    process.kill(pid, "SIGSTOP");
    const calls = firstNumbers(20).map((n) => run.delta("m", `${n} `));
    // The first try runs out of time, and the next meet a server that may have read it already.
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    process.kill(pid, "SIGCONT");
    const answers = await Promise.all(calls);
    await run.completed();
    const log = await logOf("paused");
    expect(answers.map(({ offset }) => offset)).toEqual(log.slice(1, -1).map(({ offset }) => offset));
    expect(texts(log)).toEqual(firstNumbers(20).map((n) => `${n} `));
    expect(log).toHaveLength(22);
  });

  it("learns behind a proxy that refuses and cuts what became of each event: the same offset as at first (I18)", async () => {
    const tricks: Trick[] = [];
    await using proxy = await trickyProxy(tricks);
    const publisher = publisherOf({ url: proxy.url, retryMs: 5 });
    const run = await publisher.startRun({ userId: "tricked", agent: "a", leaseMs: 60_000 });
    const kinds: readonly Trick[][] = [
      ["refuse"],
      ["cutAfterCommit"],
      ["refuseAfterCommit"],
      ["cutAfterCommit", "refuse"],
      ["refuseAfterCommit", "cutAfterCommit"],
    ];
    const offsets: number[] = [];
    for (const kind of kinds) {
      tricks.push(...kind);
      const answers = await Promise.all([run.thinking(), run.delta("m", "x")]);
      offsets.push(...answers.map(({ offset }) => offset));
      expect(tricks).toEqual([]);
    }
    tricks.push("cutAfterCommit", "refuse", "refuse");
    const failure = await run.completed("done").catch((cause: unknown) => cause);
    expect(failure).toMatchObject({
      _tag: "LogUnavailable",
      outcome: "unknown",
      events: [{ type: "agent_completed" }],
    });
    const settled = await run.emit((failure as { events: [] }).events);
    const log = await logOf("tricked");
    expect([...offsets, settled.offset]).toEqual(log.slice(1).map(({ offset }) => offset));
    expect(settled.duplicates).toBe(1);
    expect(dense(log)).toBe(true);
  });

  it("stops when the user says so, within a heartbeat, and every device sees it end", async () => {
    const publisher = publisherOf();
    const run = await publisher.startRun({ userId: "stopped", agent: "a", leaseMs: 3_000 });
    const [tab, phone] = [collect("stopped", { url: server.url }), collect("stopped", { url: server.url })];
    await Promise.all([tab.live(), phone.live()]);
    const outcome = runAgent(run, (agent) =>
      agent.tool(
        "long",
        (signal) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
      ),
    );
    await expect.poll(() => tab.client.run(run.runId).view?.state, { timeout: patienceMs }).toBe("toolExecuting");
    await tab.client.cancel(run.runId, "enough");
    expect(await outcome).toMatchObject({ state: "cancelled" });
    for (const { client } of [tab, phone]) {
      expect(await client.run(run.runId).done).toMatchObject({ state: "cancelled", tools: [{ toolName: "long" }] });
      client.close();
    }
    // It was the runner that stopped, not the deadline.
    expect((await logOf("stopped")).at(-1)).toMatchObject({ type: "agent_cancelled", data: { by: "runner" } });
  });

  it("keeps its lease through three times its length of silence (L16)", async () => {
    const run = await publisherOf().startRun({ userId: "silent", agent: "a" });
    await new Promise((resolve) => setTimeout(resolve, 3 * shortLeaseMs));
    expect(await run.completed()).toMatchObject({ seq: 2 });
    expect(await logOf("silent")).toHaveLength(2);
  });

  it("is fenced by a second one, which goes on with its story (L14)", async () => {
    const first = await publisherOf().startRun({ userId: "fenced", agent: "a" });
    await first.thinking("hm");
    const second = await publisherOf().claim(first.runId);
    expect(second.snapshot).toMatchObject({ state: "thinking", thought: "hm" });
    const aborted = first.signal.aborted || once(first.signal, "abort");
    // By its own heartbeat: it says nothing.
    await aborted;
    expect(first.signal.reason).toMatchObject({ message: "another runner has taken the run over" });
    await expect(first.delta("m", "too late")).rejects.toMatchObject({ _tag: "Fenced" });
    await second.completed("by the second");
    expect((await logOf("fenced")).map(({ type }) => type)).toEqual([
      "agent_started",
      "agent_thinking",
      "agent_completed",
    ]);
  });

  it("is a process that does not end while the end of its run waits to be written", async () => {
    const stdout = await outputOf(`
      let cuts = 0;
      const cutting = (url, init) =>
        url.includes("/events") && (cuts += 1) <= 12 ? Promise.reject(new Error("cut")) : fetch(url, init);
      const publisher = connectPublisher({ url, apiKey, fetch: cutting, retryMs: 1 });
      const run = await publisher.startRun({ userId: "patient", agent: "a", leaseMs: 60_000 });
      console.log(await runAgent(run, () => 42), cuts);
    `);
    expect(stdout).toBe("{ state: 'completed', output: 42 } 13\n");
    expect((await logOf("patient")).map(({ type }) => type)).toEqual(["agent_started", "agent_completed"]);
  });

  it("is a process that ends when its work is done, and prints no key", async () => {
    const stdout = await outputOf(`
      const publisher = connectPublisher({ url, apiKey });
      const run = await publisher.startRun({ userId: "process", agent: "a" });
      console.log(await runAgent(run, (agent) => agent.tool("add", () => 42)));
      const left = await publisher.startRun({ userId: "process", agent: "a" });
      console.log(publisher, left, left.signal.aborted);
    `);
    expect(stdout).toContain("{ state: 'completed', output: 42 }");
    expect(stdout).not.toContain(apiKeys.publish);
  });
});
