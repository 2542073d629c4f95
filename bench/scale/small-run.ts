/**
 * A thousand users in life: two nodes on one store, a connection each, runs that begin at random and speak slowly,
 * connections that break and come back at their cursor. What it used is held beside what the model says of it.
 */
import { once } from "node:events";
import { setTimeout as rest } from "node:timers/promises";
import { WebSocket } from "ws";
import { difference, startNodes, useOf } from "../cluster/measure-cluster.ts";
import type { StoreUnderTest } from "../stores/store-under-test.ts";
import { tokenOf } from "../wire/load.ts";
import { eventsPerRun, userNames } from "../wire/workload.ts";
import type { StoreCosts } from "./costs.ts";
import type { Population } from "./model.ts";
import { population, predictOn } from "./model.ts";

const users = 1_000;
const nodeCount = 2;
const runsPerSecond = 8;
const secondsPerRun = 10;
const reconnectsPerSecond = 10;
const measuredSeconds = 40;
const secondsPerDay = 86_400;
const secondsPerHour = 3_600;
const connectBatch = 50;
const ackEvery = 256;

interface Compared {
  readonly what: string;
  readonly measured: number;
  readonly predicted: number;
}

/** The same thing as the model's own terms say it. */
const people: Population = {
  ...population,
  users,
  onlineShare: 1,
  connectionsPerUser: 1,
  runsPerUserPerDay: (runsPerSecond * secondsPerDay) / users,
  peakFactor: 1,
  eventsPerRun,
  secondsPerRun,
  watchedShare: 1,
  reconnectsPerConnectionHour: (reconnectsPerSecond * secondsPerHour) / users,
  missedEvents: 0,
};

class Reader {
  received = 0;
  private socket: WebSocket | undefined;
  private cursor: { epoch: string; offset: number } | undefined;
  private readonly user: string;
  private readonly port: number;

  constructor(user: string, port: number) {
    this.user = user;
    this.port = port;
  }

  async open(): Promise<void> {
    const token = await tokenOf(this.user);
    const socket = new WebSocket(`ws://127.0.0.1:${this.port}/v1/ws`, ["runcast.v1"], { perMessageDeflate: false });
    this.socket = socket;
    socket.on("error", () => {});
    await once(socket, "open");
    const place = this.cursor === undefined ? { from: "now" } : { cursor: this.cursor };
    let unacked = 0;
    await new Promise<void>((resolve) => {
      socket.on("message", (bytes: Buffer) => {
        const frame = JSON.parse(bytes.toString()) as {
          type: string;
          epoch: string;
          head: number;
          upto: number;
          events: [];
        };
        if (frame.type === "welcome") {
          this.cursor ??= { epoch: frame.epoch, offset: frame.head };
          resolve();
        }
        if (frame.type !== "events") return;
        this.received += frame.events.length;
        if (this.cursor) this.cursor.offset = frame.upto;
        unacked += frame.events.length;
        if (unacked < ackEvery) return;
        unacked = 0;
        socket.send(`{"type":"ack","offset":${frame.upto}}`);
      });
      socket.on("close", () => resolve());
      socket.send(JSON.stringify({ type: "hello", token, device: "d", ...place }));
    });
  }

  close(): void {
    this.socket?.terminate();
  }
}

export async function smallRun(store: StoreUnderTest, costs: StoreCosts): Promise<readonly Compared[]> {
  const nodes = await startNodes("runcast", store, nodeCount);
  const names = userNames(users);
  const readers = names.map((user, index) => new Reader(user, nodes[index % nodeCount]?.port ?? 0));
  try {
    for (let at = 0; at < users; at += connectBatch)
      await Promise.all(readers.slice(at, at + connectBatch).map((reader) => reader.open()));
    const arrive = (seconds: number): Promise<unknown> =>
      Promise.all(
        nodes.map(({ control }) => {
          const arrived = control.hear("arrived");
          control.order({
            do: "arrive",
            arriving: { users: names, runsPerSecond: runsPerSecond / nodeCount, seconds, secondsPerRun },
          });
          return arrived;
        }),
      );
    // As many live when the measurement begins as when it ends.
    const arriving = arrive(measuredSeconds + 2 * secondsPerRun);
    await rest(secondsPerRun * 1_500);
    const before = await useOf(store, nodes);
    const receivedBefore = readers.reduce((sum, { received }) => sum + received, 0);
    const startMs = performance.now();
    let reconnects = 0;
    while (performance.now() - startMs < measuredSeconds * 1_000) {
      const reader = readers[Math.floor(Math.random() * users)];
      reader?.close();
      await reader?.open();
      reconnects += 1;
      const waitMs = startMs + (reconnects * 1_000) / reconnectsPerSecond - performance.now();
      if (waitMs > 1) await rest(waitMs);
    }
    const seconds = (performance.now() - startMs) / 1_000;
    const used = difference(await useOf(store, nodes), before);
    const received = readers.reduce((sum, reader) => sum + reader.received, 0) - receivedBefore;
    await arriving;
    const said = predictOn(people, costs, nodeCount);
    return [
      { what: "deliveries/s", measured: received / seconds, predicted: said.perSecond.deliver },
      { what: "cores of both nodes", measured: used.nodesCpuSeconds / seconds, predicted: said.nodeCores },
      { what: "cores of the store", measured: used.storeCpuSeconds / seconds, predicted: said.storeCores },
      {
        what: "store operations/s",
        measured: used.storeOperations / seconds,
        predicted: said.storeOperationsPerSecond,
      },
      {
        what: "bytes/s, nodes ↔ store",
        measured: (used.storeInBytes + used.storeOutBytes) / seconds,
        predicted: said.storeBytesPerSecond,
      },
      {
        what: "bytes/s, nodes ↔ clients",
        measured: (used.clientInBytes + used.clientOutBytes) / seconds,
        predicted: said.clientBytesPerSecond,
      },
    ];
  } finally {
    for (const reader of readers) reader.close();
    for (const node of nodes) await node.stop();
  }
}
