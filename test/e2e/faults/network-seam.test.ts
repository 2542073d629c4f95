import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { StreamEvent } from "../../../protocol/event.ts";
import type { RunView } from "../../../protocol/run-view.ts";
import type { ConnectOptions } from "../../../src/client/index.ts";
import type { Started } from "../../support/black-box.ts";
import { userToken } from "../../support/built-server.ts";
import { type CollectingClient, collect } from "../../support/collecting-client.ts";
import { eventually } from "../../support/eventually.ts";
import { expectFolded, NetworkWorld } from "../../support/network-world.ts";
import { seededRandom } from "../../support/seeded-random.ts";
import { SseStream } from "../../support/sse-stream.ts";
import type { CutKind } from "../../support/tcp-pipe.ts";
import { TcpProxy } from "../../support/tcp-proxy.ts";

const seed = Number(process.env["SEED"] ?? 20);
const patienceMs = 40_000;
/** Long enough for no lease to end one. */
const leaseMs = 3_600_000;

let world: NetworkWorld;
beforeAll(async () => {
  world = await NetworkWorld.open({ env: { RUNCAST_HEARTBEAT_MS: "1000" } });
});
afterAll(() => world[Symbol.asyncDispose]());

const figures: string[] = [];
afterAll(() => console.log(figures.join("\n")));

const textOf = ({ data }: StreamEvent): string => {
  const text: unknown = Reflect.get(data, "text");
  return typeof text === "string" ? text : "";
};
const deltasOf = (events: readonly StreamEvent[]) => events.filter(({ type }) => type === "agent_delta");
const joined = (events: readonly StreamEvent[]): string => deltasOf(events).map(textOf).join("");

/** Publishes without a pause until it is stopped; the answer is how many events it were. */
function pouring(run: Started): { readonly stop: () => Promise<number> } {
  let isOver = false;
  const pour = async (): Promise<number> => {
    let said = 0;
    for (; !isOver; said += 5) await world.say(run, said, said + 1, said + 2, said + 3, said + 4);
    return said;
  };
  const poured = pour();
  poured.catch(() => {});
  return {
    stop: () => {
      isOver = true;
      return poured;
    },
  };
}

describe.concurrent("a connection that begins while a publisher writes at full speed", () => {
  it("has a snapshot at N and a tail from N+1, without a seam (L4, L9)", async () => {
    const count = 100;
    const run = await world.box.start({ userId: "seam", leaseMs });
    const pour = pouring(run);
    const tabs: { readonly app: CollectingClient; readonly begun: readonly RunView[][] }[] = [];
    for (let number = 0; number < count; number += 1) {
      const app = collect("seam", { url: world.box.url, device: `d${number}` });
      const begun: RunView[][] = [];
      app.client.on("snapshot", (views) => begun.push([...views]));
      tabs.push({ app, begun });
      await app.live();
    }
    const said = await pour.stop();
    const log = await world.log("seam");
    const head = log.length;
    expect(said).toBe(head - 1);
    const places = new Set<number>();
    for (const { app, begun } of tabs) {
      await eventually(() => expect(app.client.run(run.runId).view?.offset).toBe(head));
      const [[first] = []] = begun;
      const at = first?.offset ?? Number.NaN;
      places.add(at);
      expect(begun).toHaveLength(1);
      expect((first?.messages[0]?.text ?? "") + joined(app.seen)).toBe(joined(log));
      expect(app.seen.every(({ offset }) => offset > at)).toBe(true);
      await expectFolded(world, app, run);
      app.client.close();
    }
    // They did begin at different places of the burst.
    expect(places.size).toBeGreaterThan(count / 4);
    figures.push(`seam: ${count} connections during a burst of ${head} events began at ${places.size} places`);
  });

  it("has the same over SSE, also where it comes back by Last-Event-ID (L4)", async () => {
    const run = await world.box.start({ userId: "sseseam", leaseMs });
    const token = await userToken("sseseam");
    const pour = pouring(run);
    let reconnects = 0;
    for (let number = 0; number < 20; number += 1) {
      let stream = await SseStream.open(world.box.url, token);
      const snapshot = await stream.until(({ type }) => type === "snapshot");
      const text = snapshot.type === "snapshot" ? (snapshot.runs[0]?.messages[0]?.text ?? "") : "";
      let place = snapshot.type === "snapshot" ? snapshot.at : Number.NaN;
      const seen: StreamEvent[] = [];
      for (let round = 0; round < 4; round += 1) {
        await stream.until((frame) => frame.type === "events");
        stream.close();
        for (const frame of stream.frames) {
          if (frame.type !== "events") continue;
          expect(frame.after).toBe(place);
          place = frame.upto;
          seen.push(...frame.events);
        }
        expect(stream.lastEventId).toBe(`${run.epoch}:${place}`);
        stream = await SseStream.open(world.box.url, token, "", { "last-event-id": stream.lastEventId ?? "" });
        expect(await stream.until(({ type }) => type === "welcome")).toMatchObject({ resumed: "replayed" });
        reconnects += 1;
      }
      stream.close();
      const log = (await world.log("sseseam")).filter(({ offset }) => offset <= place);
      expect(text + joined(seen)).toBe(joined(log));
    }
    await pour.stop();
    figures.push(`seam over SSE: 20 streams, ${reconnects} resumes during the burst`);
  });
});

const cuts: readonly CutKind[] = ["rst", "fin", "close"];
const doomedLinks = 25;

/** Runs of two threads, with words, thoughts and tools, as fast as the server takes them. */
async function talk(userId: string, rounds: number): Promise<readonly Started[]> {
  const runs = await Promise.all(["t1", "t2"].map((threadId) => world.box.start({ userId, threadId, leaseMs })));
  await Promise.all(
    runs.map(async (run) => {
      for (let round = 0; round < rounds; round += 1) {
        await world.say(run, ...Array.from({ length: 40 }, (_, at) => `${round}.${at}`));
        await world.box.say(run, [
          { type: "agent_thinking", data: { thought: `${round}` } },
          { type: "x.mark", data: { round } },
        ]);
      }
    }),
  );
  return runs;
}

/** What a reader of these events has in the end, however deltas were joined: the words of each run, and all else. */
const substance = (events: readonly StreamEvent[]) => ({
  words: ["t1", "t2"].map((thread) => joined(events.filter(({ threadId }) => threadId === thread))),
  others: events.filter(({ type }) => type !== "agent_delta"),
});

describe.concurrent(`a reader with a filter that is cut at arbitrary points (SEED=${seed})`, () => {
  const random = seededRandom(seed);

  it.each<[string, number, Partial<ConnectOptions>, (event: StreamEvent) => boolean]>([
    ["everything, deltas joined", 20_000, {}, () => true],
    ["everything, deltas as they were", 20_000, { mergeDeltas: false }, () => true],
    ["one thread", 20_000, { want: { threads: ["t2"] } }, ({ threadId }) => threadId === "t2"],
    [
      "two types",
      2_000,
      { want: { types: ["x.mark", "agent_thinking"] } },
      ({ type }) => /^x\.mark|_thinking$/.test(type),
    ],
    [
      "the deltas of one thread",
      20_000,
      { want: { threads: ["t1"], types: ["agent_delta"] } },
      ({ type, threadId }) => type === "agent_delta" && threadId === "t1",
    ],
    ["nothing that ever comes", 450, { want: { types: ["x.never"] } }, () => false],
  ])(
    "gets exactly what it wants, and its ranges cover the rest: %s (L3, L4, L5)",
    async (name, maxBytes, options, wants) => {
      const userId = `reader of ${name}`;
      await using proxy = await TcpProxy.listen(world.box.url);
      const line = { bytesPerSecond: 60_000 + random() * 100_000 };
      // Between a few bytes and several frames: some connections bring nothing.
      proxy.plan = (number) =>
        number < doomedLinks
          ? { line, cutDown: { afterBytes: Math.floor(random() ** 2 * maxBytes), how: cuts[number % 3] ?? "rst" } }
          : {};
      const tab = collect(userId, { url: proxy.url, from: "start", device: "d", random: () => 0, ...options });
      const holes: unknown[] = [];
      tab.client.on("gap", (gap) => holes.push(gap));
      await talk(userId, 15);
      const log = await world.log(userId);
      await eventually(() => expect(tab.client.status.cursor?.offset).toBe(log.length), patienceMs);
      const expected = log.filter(wants);
      await tab.has(expected.at(-1)?.offset ?? 0);
      if (options.mergeDeltas === false) expect(tab.seen).toEqual(expected);
      expect(substance(tab.seen)).toEqual(substance(expected));
      const offsets = tab.seen.map(({ offset }) => offset);
      expect(offsets).toEqual(offsets.toSorted((a, b) => a - b));
      expect(new Set(offsets).size).toBe(offsets.length);
      expect([tab.client.status.holes, tab.client.status.doubles, holes]).toEqual([0, 0, []]);
      expect(proxy.links.length).toBeGreaterThan(3);
      figures.push(
        `${name}: ${log.length} events, ${expected.length} wanted, ${tab.seen.length} came on ${proxy.links.length} connections`,
      );
      tab.client.close();
    },
  );
});
