import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { StreamEvent } from "../../../protocol/event.ts";
import { ackEveryMs } from "../../../src/client/acks.ts";
import { CommandUnanswered } from "../../../src/client/client-error.ts";
import type { Timers } from "../../../src/client/timers.ts";
import { systemTimers } from "../../../src/client/timers.ts";
import { thinking } from "../../support/black-box.ts";
import { apiKeys, userToken } from "../../support/built-server.ts";
import { type CollectingClient, collect } from "../../support/collecting-client.ts";
import { eventually } from "../../support/eventually.ts";
import { expectFolded, expectSettled, expectWhole, NetworkWorld } from "../../support/network-world.ts";
import { SseStream } from "../../support/sse-stream.ts";
import type { CutKind } from "../../support/tcp-pipe.ts";
import { type Link, TcpProxy } from "../../support/tcp-proxy.ts";

/** `CUT=rst`, `CUT=fin` or `CUT=close` cuts at every byte in that way; without it they take turns. */
const cutKinds: readonly CutKind[] = ["rst", "fin", "close"];
const given = process.env["CUT"];
const kindAt = (bytes: number): CutKind =>
  cutKinds.find((kind) => kind === given) ?? cutKinds[bytes % cutKinds.length] ?? "rst";

/** `STRIDE=1` cuts at every byte; by default at every seventh, all three ways in turn. */
const stride = Number(process.env["STRIDE"] ?? 7);
/** A client in a hurry: its 200 ms between two acks are 10 here, and its back-off is nothing. */
const haste = 20;
const hasty: Timers = {
  after: (delayMs, run) => systemTimers.after(delayMs > ackEveryMs ? delayMs : delayMs / haste, run),
};
const atOnce = { timers: hasty, random: () => 0 };
/** Long enough for no lease to end a run. */
const leaseMs = 3_600_000;
/** For every byte on a machine that has much else to do. */
const timeout = 600_000;
/** More than one exchange ever takes: who gets there would never end. */
const maxBytes = 5_000;

let world: NetworkWorld;
beforeAll(async () => {
  // The demo begins a run for each message, and then takes its time: what is carried out twice shows as two runs.
  world = await NetworkWorld.open({ args: ["--demo"], env: { RUNCAST_DEMO_SPEED: "0.001" } });
});
afterAll(() => world[Symbol.asyncDispose]());

/**
 * Lets a connection be cut after n bytes, and the ones after it be whole, for n after n until an exchange passes uncut. `step` is one exchange, begun with the connection that will be cut. Answers how many cuts there were.
 */
async function everyByte(
  proxy: TcpProxy,
  direction: "cutUp" | "cutDown",
  step: (bytes: number, link: Promise<Link>) => Promise<void>,
): Promise<number> {
  let bytes = 0;
  let doomed = 0;
  proxy.plan = (number) => (number === doomed ? { [direction]: { afterBytes: bytes, how: kindAt(bytes) } } : {});
  for (; bytes < maxBytes; bytes += stride) {
    doomed = proxy.links.length;
    await step(bytes, proxy.link(doomed));
    const { up, down } = await proxy.link(doomed);
    if (!up.wasCut && !down.wasCut) break;
  }
  expect(bytes, "the exchange never came to its end").toBeLessThan(maxBytes);
  return Math.ceil(bytes / stride);
}

/** Says something to the demo, once. */
async function ask({ client }: CollectingClient, text: string): Promise<"done" | "unanswered"> {
  try {
    await client.send(text);
    return "done";
  } catch (cause) {
    if (cause instanceof CommandUnanswered) return "unanswered";
    throw cause;
  }
}

/** How many runs were begun with each input. */
function beginnings(events: readonly StreamEvent[]): ReadonlyMap<string, number> {
  const begun = new Map<string, number>();
  for (const { type, data } of events) {
    if (type !== "agent_started") continue;
    const { text } = Object(Reflect.get(data, "input")) as { readonly text?: string };
    if (text !== undefined) begun.set(text, (begun.get(text) ?? 0) + 1);
  }
  return begun;
}

const figures: string[] = [];
afterAll(() => console.log(figures.join("\n")));

describe.concurrent("a connection that is cut after byte n", { timeout }, () => {
  it.each<["cutDown" | "cutUp", string, string]>([
    ["cutDown", "server", "upgrade, welcome, events, reply"],
    ["cutUp", "client", "upgrade, hello, command, ack"],
  ])(
    "%s: of what the %s says (%s) loses and doubles nothing, and carries no command out twice (L4, L5, L9)",
    async (direction, side) => {
      await using proxy = await TcpProxy.listen(world.box.url);
      const run = await world.box.start({ userId: side, leaseMs });
      const tab = collect(side, { url: proxy.url, from: "start", ...atOnce });
      await tab.has(1);
      const asked = new Map<string, "done" | "unanswered">();
      const cuts = await everyByte(proxy, direction, async (bytes, link) => {
        proxy.last.end(kindAt(bytes));
        await link;
        const text = `message ${bytes}`;
        const [answer, offset] = await Promise.all([ask(tab, text), world.say(run, bytes)]);
        asked.set(text, answer);
        await tab.has(offset);
        // A lost ack is made good by the resume: without that an event would stay open for ever.
        await expectSettled(world, side);
      });
      await expectWhole(world, tab, side, run);
      const begun = beginnings(tab.seen);
      for (const [text, answer] of asked) {
        const count = begun.get(text) ?? 0;
        expect(answer === "done" ? count === 1 : count <= 1, `${answer}, and ${count} times carried out`).toBe(true);
      }
      expect(cuts * stride).toBeGreaterThan(500);
      const unanswered = [...asked.values()].filter((answer) => answer === "unanswered").length;
      figures.push(`${cuts} cuts of what the ${side} says; ${unanswered} of ${asked.size} commands unanswered`);
      tab.client.close();
    },
  );

  it("of a snapshot leaves no seam between it and its tail (L4, L9)", async () => {
    await using proxy = await TcpProxy.listen(world.box.url);
    const run = await world.box.start({ userId: "snap", leaseMs });
    await world.say(run, "before");
    const cuts = await everyByte(proxy, "cutDown", async (_, link) => {
      const tab = collect("snap", { url: proxy.url, ...atOnce });
      const gaps: unknown[] = [];
      tab.client.on("gap", (gap) => gaps.push(gap));
      await link;
      const { offset } = (await world.box.say(run, [thinking])).body;
      await eventually(() => expect(tab.client.run(run.runId).view?.offset).toBe(offset));
      expect(gaps).toEqual([]);
      expect(tab.seen.map((event) => event.offset)).toEqual(
        tab.seen.map((__, at) => offset + 1 - tab.seen.length + at),
      );
      await expectFolded(world, tab, run);
      tab.client.close();
    });
    expect(cuts * stride).toBeGreaterThan(500);
    figures.push(`snapshot: ${cuts} cuts of what the server says`);
  });

  it("of an SSE stream goes on at Last-Event-ID, and brings the whole log once", async () => {
    await using proxy = await TcpProxy.listen(world.box.url);
    const run = await world.box.start({ userId: "sse", leaseMs });
    const token = await userToken("sse");
    const seen: StreamEvent[] = [];
    let lastEventId = `${run.epoch}:0`;
    /** Reads until the event is there, over as many connections as it takes. */
    const readTo = async (offset: number): Promise<void> => {
      while ((seen.at(-1)?.offset ?? 0) < offset) {
        const headers = { "last-event-id": lastEventId };
        const stream = await SseStream.open(proxy.url, token, "", headers).catch(() => undefined);
        if (stream === undefined) continue;
        await stream.until((frame) => frame.type === "events" && frame.upto >= offset).catch(() => undefined);
        stream.close();
        expect(stream.frames.filter(({ type }) => type === "gap" || type === "snapshot")).toEqual([]);
        seen.push(...stream.events);
        lastEventId = stream.lastEventId ?? lastEventId;
      }
    };
    const cuts = await everyByte(proxy, "cutDown", async (bytes) => {
      await readTo(await world.say(run, bytes));
    });
    expect(seen).toEqual(await world.log("sse"));
    expect(cuts * stride).toBeGreaterThan(500);
    figures.push(`SSE: ${cuts} cuts of what the server says`);
  });
});

describe("the accounts after all those cuts", () => {
  it("balance, and the server is whole", async () => {
    const { body } = await world.box.call("GET /v1/ledger", { as: apiKeys.admin });
    expect(body).toMatchObject({ deadLettered: 0, difference: 0 });
    expect((await world.box.call("GET /readyz")).status).toBe(200);
    await eventually(async () => expect(await world.metric("runcast_connections")).toBe(0));
    expect(world.box.server.stderr).not.toContain('"level":"error"');
  });
});
