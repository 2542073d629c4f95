/**
 * Cycles of everything that comes and goes: connections of every kind over real sockets, however they end, and runs
 * with them. What a cycle leaves behind is measured: bytes of heap, actors, registry entries (L11, LESSONS 39).
 */
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import type { Server } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { AnyActorRef } from "xstate";
import { WebSocket } from "ws";
import type { Runcast } from "../../src/index.ts";
import { createRuncast } from "../../src/index.ts";
import { seededRandom } from "./seeded-random.ts";
import { SseStream } from "./sse-stream.ts";

export interface SoakFigures {
  /** Slope of the heap after a collection, over the cycles after the first quarter. */
  readonly bytesPerCycle: number;
  /** Actors that live when all is over, the root among them. */
  readonly actorsLeft: number;
  readonly actorsSeen: number;
  readonly connectionsLeft: number;
  readonly runsLeft: number;
  readonly streamsLeft: number;
  readonly heapMib: readonly number[];
}

/** Code that is compiled and caches that are filled belong to the first cycles. */
const warmShare = 0.25;
const atOnce = 20;
const bytesPerMib = 1_048_576;
const collections = 3;
const restMs = 50;
const userCount = 50;

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

async function heapBytes(): Promise<number> {
  for (let round = 0; round < collections; round += 1) {
    await new Promise((resolve) => setTimeout(resolve, restMs));
    collect();
  }
  return process.memoryUsage().heapUsed;
}

/** The median of the slopes between any two points: a step of V8's own, as when it drops old code, is none of ours. */
function slope(points: readonly (readonly [number, number])[]): number {
  const slopes = points.flatMap(([x, y], at) =>
    points.slice(at + 1).map(([laterX, laterY]) => (laterY - y) / (laterX - x)),
  );
  return slopes.toSorted((a, b) => a - b)[slopes.length >> 1] ?? 0;
}

/** Every actor that can still be reached, without being the reason that it can. */
class LivingActors {
  seen = 0;
  private refs: WeakRef<AnyActorRef>[] = [];

  add(actor: AnyActorRef): void {
    this.seen += 1;
    this.refs.push(new WeakRef(actor));
  }

  count(): number {
    this.refs = this.refs.filter((ref) => ref.deref() !== undefined);
    return this.refs.length;
  }
}

interface World {
  readonly runcast: Runcast;
  readonly url: string;
  readonly random: () => number;
}

function opened(url: string): Promise<WebSocket> {
  const socket = new WebSocket(`${url.replace("http", "ws")}/v1/ws`, ["runcast.v1"], { perMessageDeflate: false });
  return once(socket, "open").then(() => socket);
}

/** A run of three events, seen to its end by its user's connection. */
async function wholeRun({ runcast }: World, userId: string, fails: boolean): Promise<void> {
  const run = await runcast.startRun({ userId, agent: "soak" });
  await run.thinking("hm");
  await (fails ? run.failed({ code: "c", message: "m" }) : run.completed("ok"));
}

async function overSocket(world: World, userId: string): Promise<void> {
  const { url, random } = world;
  const ending = random();
  const socket = await opened(url);
  const closed = once(socket, "close");
  // Nobody said hello, or nobody that is known.
  if (ending < 0.1) socket.close();
  else if (ending < 0.2) socket.send(JSON.stringify({ type: "hello", token: "nobody" }));
  else if (ending < 0.25) socket.send("{");
  else {
    const terminal = new Promise<number>((resolve) => {
      socket.on("message", (data: Buffer) => {
        const frame = JSON.parse(data.toString("utf8"));
        if (frame.type === "welcome") void wholeRun(world, userId, random() < 0.3);
        const last = frame.type === "events" ? frame.events.at(-1) : undefined;
        if (last?.type === "agent_completed" || last?.type === "agent_failed") resolve(frame.upto);
      });
    });
    socket.send(JSON.stringify({ type: "hello", token: userId, from: "now" }));
    const upto = await terminal;
    if (random() < 0.7) socket.send(JSON.stringify({ type: "ack", offset: upto }));
    if (random() < 0.5) socket.close();
    else socket.terminate();
  }
  await closed;
}

async function overSse(world: World, userId: string): Promise<void> {
  const stream = await SseStream.open(world.url, userId, "?from=now");
  await stream.until(({ type }) => type === "welcome");
  await wholeRun(world, userId, false);
  await stream.until((frame) => frame.type === "events" && frame.events.at(-1)?.type === "agent_completed");
  stream.close();
}

async function listen(runcast: Runcast): Promise<{ readonly server: Server; readonly url: string }> {
  const server = createServer();
  runcast.attach(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

export interface SoakTerms {
  readonly cycles: number;
  /** The same cycles under the same seed. */
  readonly seed: number;
  /** Looks at the heap on the way. */
  readonly samples: number;
  /** Hears of each. */
  readonly say?: (line: string) => void;
}

export async function soak({ cycles, seed, samples, say = () => {} }: SoakTerms): Promise<SoakFigures> {
  const directory = mkdtempSync(join(tmpdir(), "runcast-soak-"));
  const runcast = await createRuncast({
    // Its memory is its own thread's: what grows here is what connections and runs leave behind.
    store: `sqlite:${join(directory, "soak.db")}`,
    commit: "os",
    auth: (token) => (token === "nobody" ? undefined : { userId: token }),
  });
  const actors = new LivingActors();
  runcast.inspect((event) => {
    if (event.type === "@xstate.actor") actors.add(event.actorRef as AnyActorRef);
  });
  const { server, url } = await listen(runcast);
  const world: World = { runcast, url, random: seededRandom(seed) };
  const points: (readonly [number, number])[] = [];
  const perSample = Math.ceil(cycles / samples);
  for (let done = 0; done < cycles; ) {
    const upto = Math.min(cycles, done + perSample);
    while (done < upto) {
      const batch = Math.min(atOnce, upto - done);
      await Promise.all(
        Array.from({ length: batch }, (_, index) => {
          const userId = `user-${(done + index) % userCount}`;
          return world.random() < 0.1 ? overSse(world, userId) : overSocket(world, userId);
        }),
      );
      done += batch;
    }
    points.push([done, await heapBytes()]);
    say(`${done} cycles: heap ${((points.at(-1)?.[1] ?? 0) / bytesPerMib).toFixed(2)} MiB, ${actors.count()} actors`);
  }
  const { connections, livingRuns, streams } = runcast.runtime.stats();
  const figures: SoakFigures = {
    bytesPerCycle: slope(points.filter(([at]) => at > cycles * warmShare)),
    actorsLeft: actors.count(),
    actorsSeen: actors.seen,
    connectionsLeft: connections,
    runsLeft: livingRuns,
    streamsLeft: streams,
    heapMib: points.map(([, bytes]) => bytes / bytesPerMib),
  };
  await runcast.close();
  server.closeAllConnections();
  server.close();
  rmSync(directory, { recursive: true });
  return figures;
}
