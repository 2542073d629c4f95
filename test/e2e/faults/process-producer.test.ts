import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { StreamEvent } from "../../../protocol/event.ts";
import { apiKeys, BuiltServer, userToken } from "../../support/built-server.ts";
import { hello } from "../../gateway/support/socket.ts";
import { call } from "../../support/http-reader.ts";

const runCount = 20;
const leaseMs = 1_500;
const graceMs = 500;
/** The wheel's tick, the commit and the way to the client, on a machine that others use as well. */
const slackMs = 2_000;
const patience = { timeout: 20_000, interval: 5 };
const program = fileURLToPath(new URL("./fixtures/remote-publisher.ts", import.meta.url));
const flags = ["--disable-warning=ExperimentalWarning"];

let server: BuiltServer;
beforeAll(async () => {
  server = await BuiltServer.start({ env: { RUNCAST_GRACE_MS: String(graceMs) } });
});
afterAll(() => server[Symbol.asyncDispose]());

let child: ChildProcess | undefined;
afterEach(() => void child?.kill("SIGKILL"));

/** A runner that publishes in a process of its own. */
async function publishing(userId: string): Promise<ChildProcess> {
  const made = spawn(process.execPath, [...flags, program, server.url, userId, String(runCount), String(leaseMs)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  child = made;
  await once(made.stdout, "data");
  return made;
}

async function killed(process: ChildProcess): Promise<number> {
  const exited = once(process, "exit");
  process.kill("SIGKILL");
  await exited;
  return performance.now();
}

/** How each of the user's runs stands, as an admin sees it. */
async function states(userId: string): Promise<readonly string[]> {
  const { body } = await call(server.url, `GET /v1/runs?userId=${userId}&limit=100`, { as: apiKeys.admin });
  return body.runs.map(({ state }: { readonly state: string }) => state);
}

interface Watcher {
  readonly events: StreamEvent[];
  readonly stalled: Set<string>;
  /** When the last of the runs was seen to end. */
  endedMono: number;
}

async function watch(userId: string): Promise<Watcher> {
  const socket = await hello(server.url, await userToken(userId), { from: "start" });
  const watcher: Watcher = { events: [], stalled: new Set(), endedMono: 0 };
  socket.raw.on("message", (data: Buffer) => {
    const frame = JSON.parse(data.toString("utf8"));
    if (frame.type === "status" && frame.run?.stalled) watcher.stalled.add(frame.run.runId);
    if (frame.type !== "events") return;
    watcher.events.push(...frame.events);
    if (frame.events.some(({ type }: StreamEvent) => type === "agent_interrupted"))
      watcher.endedMono = performance.now();
  });
  return watcher;
}

const interrupted = ({ events }: Watcher): StreamEvent[] => events.filter(({ type }) => type === "agent_interrupted");

/** Every run has one end, with its open tool closed before it, and nothing after it. */
function expectEnds({ events }: Watcher): void {
  for (const { runId, data } of events.filter(({ type }) => type === "agent_interrupted")) {
    expect(data).toMatchObject({ reason: "lease_expired" });
    const ofRun = events.filter((event) => event.runId === runId);
    expect(ofRun.slice(-2)).toMatchObject([
      { type: "tool_completed", repaired: true, data: { toolCallId: "c", status: "cancelled" } },
      { type: "agent_interrupted" },
    ]);
    expect(ofRun.map(({ seq }) => seq)).toEqual(ofRun.map((_, index) => index + 1));
  }
}

describe("a runner that is killed in the middle of its runs (L16)", () => {
  it("leaves none of them open: its user is told that they stall, and then that they ended", async () => {
    const watcher = await watch("alice");
    const diedMono = await killed(await publishing("alice"));
    expect(new Set(await states("alice"))).toEqual(new Set(["toolExecuting"]));
    await expect.poll(() => interrupted(watcher).length, patience).toBe(runCount);
    const afterMs = watcher.endedMono - diedMono;
    expect(afterMs).toBeLessThan(leaseMs + graceMs + slackMs);
    expect(watcher.stalled.size).toBe(runCount);
    expect(await states("alice")).toEqual(Array.from({ length: runCount }, () => "interrupted"));
    expectEnds(watcher);
    console.info(
      `runner killed: ${runCount} of ${runCount} runs ended after ${Math.round(afterMs)} ms, bound ${leaseMs + graceMs} ms + tick`,
    );
  });

  it("leaves none of them open when the server dies as well, before it could notice", async () => {
    await killed(await publishing("bob"));
    await server.kill9();
    await server.restart();
    const upMono = performance.now();
    const watcher = await watch("bob");
    await expect.poll(() => interrupted(watcher).length, patience).toBe(runCount);
    const afterMs = watcher.endedMono - upMono;
    expect(afterMs).toBeLessThan(leaseMs + graceMs + slackMs);
    expect(await states("bob")).toEqual(Array.from({ length: runCount }, () => "interrupted"));
    expectEnds(watcher);
    console.info(
      `runner and server killed: ${runCount} of ${runCount} runs ended ${Math.round(afterMs)} ms after the server was back`,
    );
  });

  it("does not take a run from a runner that goes on after the server has died", async () => {
    const runner = await publishing("cy");
    await server.kill9();
    await server.restart();
    const watcher = await watch("cy");
    const count = () => watcher.events.length;
    // A run without a word for as long as its lease and grace would be gone by now.
    const startMono = performance.now();
    await expect.poll(() => performance.now() - startMono, patience).toBeGreaterThan(leaseMs + graceMs + 200);
    const before = count();
    await expect.poll(count, patience).toBeGreaterThan(before + runCount);
    expect(interrupted(watcher)).toEqual([]);
    await killed(runner);
  });
});
