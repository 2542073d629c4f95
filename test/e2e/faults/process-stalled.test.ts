import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import type { StreamEvent } from "../../../protocol/event.ts";
import type { ServerFrame } from "../../../protocol/frames.ts";
import { BuiltServer, userToken } from "../../support/built-server.ts";
import { collect } from "../../support/collecting-client.ts";
import { HttpPublisher } from "../../support/http-publisher.ts";
import { call } from "../../support/http-reader.ts";
import { onUserSignal } from "../../support/server-preload.ts";

const userIds = Array.from({ length: 5 }, (_, index) => `user-${index}`);
/** Of each kind and user. */
const tabsPerKind = 10;
const windowEvents = 1_024;
const rounds = 16;
const deltasPerRound = 120;
const text = "y".repeat(300);
/** What the process may hold for one of them: its bookkeeping, and what is left of a socket's 128 KiB by the kernel. */
const maxBytesEach = 65_536;
/** Collects, and says what is held: what a collector has not come to yet is no cost of a client. */
const sayMemory = `
  process.getBuiltinModule("node:v8").setFlagsFromString("--expose-gc");
  const collect = process.getBuiltinModule("node:vm").runInNewContext("gc");
  collect();
  setTimeout(() => {
    collect();
    const { heapUsed, external } = process.memoryUsage();
    process.stderr.write("holds " + (heapUsed + external) + " bytes\\n");
  }, 100);
`;
const patience = { timeout: 40_000, interval: 20 };

type Kind = "reads nothing" | "reads and never acknowledges";

class Tab {
  readonly frames: Extract<ServerFrame, { type: "events" }>[] = [];
  readonly socket: WebSocket;
  private acknowledges = false;

  private constructor(socket: WebSocket) {
    this.socket = socket;
  }

  static async open(url: string, token: string, kind: Kind, mergeDeltas: boolean): Promise<Tab> {
    const socket = new WebSocket(`${url.replace("http", "ws")}/v1/ws`, ["runcast.v1"]);
    const tab = new Tab(socket);
    const welcomed = Promise.withResolvers<void>();
    socket.on("message", (data: Buffer) => {
      const frame = JSON.parse(data.toString("utf8")) as ServerFrame;
      if (frame.type === "welcome") welcomed.resolve();
      if (frame.type !== "events") return;
      tab.frames.push(frame);
      if (tab.acknowledges) tab.acknowledge();
    });
    await once(socket, "open");
    socket.send(JSON.stringify({ type: "hello", token, from: "start", mergeDeltas }));
    await welcomed.promise;
    if (kind === "reads nothing") socket.pause();
    return tab;
  }

  get events(): readonly StreamEvent[] {
    return this.frames.flatMap(({ events }) => events);
  }

  get upto(): number {
    return this.frames.at(-1)?.upto ?? 0;
  }

  goOn(): void {
    this.acknowledges = true;
    this.socket.resume();
    if (this.upto > 0) this.acknowledge();
  }

  private acknowledge(): void {
    this.socket.send(JSON.stringify({ type: "ack", offset: this.upto }));
  }
}

let server: BuiltServer;
beforeAll(async () => {
  server = await BuiltServer.start({ env: { NODE_OPTIONS: onUserSignal(sayMemory) } });
});
afterAll(() => server[Symbol.asyncDispose]());

async function heldBytes(): Promise<number> {
  const said = server.stderr.length;
  server.signal("SIGUSR2");
  const word = () => /holds (\d+) bytes/.exec(server.stderr.slice(said))?.[1];
  await expect.poll(word, patience).toBeDefined();
  return Number(word());
}

/** A run of tools and many words; answers how long the stream is then. */
async function speak(publisher: HttpPublisher, userId: string): Promise<number> {
  const run = await publisher.startRun({ userId, runId: `run-of-${userId}` });
  const delta = { type: "agent_delta", data: { messageId: "m", channel: "text", text } };
  let head = run.offset;
  for (let round = 0; round < rounds; round += 1) {
    const toolCallId = `c${round}`;
    const { offset } = await publisher.publish(run, [
      { type: "tool_executing", data: { toolCallId, toolName: "t" } },
      { type: "tool_completed", data: { toolCallId, status: "ok" } },
    ]);
    // Without a key, as tokens are said.
    head = offset + deltasPerRound;
    await call(server.url, `POST /v1/runs/run-of-${userId}/events`, {
      as: "key-publish",
      body: { fence: run.fence, events: Array.from({ length: deltasPerRound }, () => delta) },
    });
  }
  return (await publisher.publish(run, [{ type: "agent_completed", data: {} }])).offset ?? head;
}

const names = (events: readonly StreamEvent[]) =>
  events.flatMap(({ type, offset }) => (type === "agent_delta" ? [] : [`${offset} ${type}`]));
const said = (events: readonly StreamEvent[]) =>
  events.flatMap(({ data }) => ("text" in data ? [data.text] : [])).join("");

describe("tabs that stand still on the built server (L11, I13)", () => {
  it("cost bounded memory, hold up nobody, and have everything once they go on", async () => {
    const tabs = new Map<string, Tab[]>();
    for (const userId of userIds) {
      const token = await userToken(userId);
      const kinds: readonly Kind[] = ["reads nothing", "reads and never acknowledges"];
      const opened = kinds.flatMap((kind) =>
        Array.from({ length: tabsPerKind }, (_, index) => Tab.open(server.url, token, kind, index % 2 === 0)),
      );
      tabs.set(userId, await Promise.all(opened));
    }
    const healthy = userIds.map((userId) => collect(userId, { url: server.url, from: "start" }));
    for (const { live } of healthy) await live();
    const before = await heldBytes();
    const publisher = new HttpPublisher(server.url);
    const heads = await Promise.all(userIds.map((userId) => speak(publisher, userId)));
    const head = heads[0] ?? 0;
    expect(new Set(heads)).toEqual(new Set([1 + rounds * (2 + deltasPerRound) + 1]));
    // Who reads has it all, while the others stand still.
    for (const { has } of healthy) await has(head);
    const tabCount = userIds.length * 2 * tabsPerKind;
    const grownBytes = (await heldBytes()) - before;
    expect(grownBytes / tabCount).toBeLessThan(maxBytesEach);
    for (const each of tabs.values())
      for (const { events } of each) expect(events.length).toBeLessThanOrEqual(windowEvents);

    for (const tab of [...tabs.values()].flat()) tab.goOn();
    for (const [index, userId] of userIds.entries()) {
      const whole = healthy[index]?.seen ?? [];
      for (const tab of tabs.get(userId) ?? []) {
        await expect.poll(() => tab.upto, patience).toBe(head);
        // Every range joins the one before it.
        expect(tab.frames.map(({ after }) => after).slice(1)).toEqual(tab.frames.map(({ upto }) => upto).slice(0, -1));
        // Lifecycle events as they were, each at its place, and every word.
        expect(names(tab.events)).toEqual(names(whole));
        expect(said(tab.events)).toBe(said(whole));
      }
      const [merging, exact] = tabs.get(userId) ?? [];
      expect(exact?.events.map(({ offset }) => offset)).toEqual(Array.from({ length: head }, (_, at) => at + 1));
      expect(merging?.events.length).toBeLessThan(head - deltasPerRound);
    }
    for (const tab of [...tabs.values()].flat()) tab.socket.terminate();
    for (const { client } of healthy) client.close();
    console.info(
      `${tabCount} tabs stood still: the process holds ${Math.round(grownBytes / tabCount / 1_024)} KiB more for each`,
    );
  });
});
