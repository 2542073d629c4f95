import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { thinking } from "../../support/black-box.ts";
import { BuiltServer, userToken } from "../../support/built-server.ts";
import { collect } from "../../support/collecting-client.ts";
import { HttpPublisher } from "../../support/http-publisher.ts";
import { call } from "../../support/http-reader.ts";
import { expectWhole, publishFor } from "../../support/publishers.ts";
import { seededRandom } from "../../support/seeded-random.ts";

/** `ROUNDS=20` for the figures of the verification page. */
const rounds = Number(process.env["ROUNDS"] ?? 2);
const userIds = ["ada", "bea", "cy", "dan"];
/** Raw sockets that are told when to come back. */
const guestCount = 20;
const exitLimitMs = 10_000;
/** A second signal has nothing to wait for. */
const atOnceMs = 1_000;
const exitCodes = { SIGTERM: 143, SIGINT: 130 } as const;
const maxEventsBetween = 80;
/** On a machine with other work. */
const roundPatienceMs = 60_000;
const patience = { timeout: 20_000, interval: 2 };
const unavailable = 503;
const restarting = 1012;

const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000);
const random = seededRandom(seed);
const p99 = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.ceil(values.length * 0.99) - 1] ?? Number.NaN;

let server: BuiltServer;
beforeAll(async () => {
  server = await BuiltServer.start();
});
afterAll(() => server[Symbol.asyncDispose]());

interface Guest {
  /** Its `goodbye.retryAfterMs` and its close code, once it was sent home. */
  readonly sentHome: Promise<readonly [number, number]>;
}

async function guest(token: string): Promise<Guest> {
  const socket = new WebSocket(`${server.url.replace("http", "ws")}/v1/ws`, ["runcast.v1"]);
  let retryAfterMs = -1;
  const welcomed = Promise.withResolvers<void>();
  socket.on("message", (data: Buffer) => {
    const frame = JSON.parse(data.toString("utf8"));
    if (frame.type === "welcome") welcomed.resolve();
    if (frame.type === "goodbye") ({ retryAfterMs } = frame);
  });
  const sentHome = once(socket, "close").then(([code]) => [retryAfterMs, Number(code)] as const);
  await once(socket, "open");
  socket.send(JSON.stringify({ type: "hello", token, from: "now" }));
  await welcomed.promise;
  return { sentHome };
}

describe(`a server that is stopped and started under load (I16, SEED=${seed})`, () => {
  it(
    `loses and doubles nothing in ${rounds} rounds, and tells everybody when to come back`,
    async () => {
      const publishers = publishFor(server, userIds, random);
      const clients = userIds.map((userId) => collect(userId, { url: server.url, from: "start" }));
      const backMs: number[] = [];
      let upMono = 0;
      const away = new Set<number>();
      for (const [index, { client }] of clients.entries())
        client.on("status", ({ state }) => {
          if (state === "waiting") away.add(index);
          if (state === "live" && away.delete(index)) backMs.push(performance.now() - upMono);
        });
      const guestToken = await userToken("guest");
      const drainMs: number[] = [];
      const count = () => publishers.publisher.acknowledged.length;
      for (let round = 0; round < rounds; round += 1) {
        for (const { live } of clients) await live();
        const guests = await Promise.all(Array.from({ length: guestCount }, () => guest(guestToken)));
        const target = count() + 1 + Math.floor(random() * maxEventsBetween);
        await expect.poll(count, patience).toBeGreaterThanOrEqual(target);
        // SIGINT is the same as SIGTERM.
        const exit = server.stop(round % 2 === 0 ? "SIGTERM" : "SIGINT");
        const sentHome = await Promise.all(guests.map(({ sentHome }) => sentHome));
        expect((await call(server.url, "GET /readyz")).status).toBe(unavailable);
        const { code, signal, ms } = await exit;
        expect([code, signal]).toEqual([0, null]);
        expect(ms).toBeLessThan(exitLimitMs);
        drainMs.push(ms);
        // No two of them come back at the same time.
        expect(new Set(sentHome.map(([retryAfterMs]) => retryAfterMs)).size).toBe(guestCount);
        expect(Math.min(...sentHome.map(([retryAfterMs]) => retryAfterMs))).toBeGreaterThan(0);
        expect(new Set(sentHome.map(([, closeCode]) => closeCode))).toEqual(new Set([restarting]));
        await server.restart();
        upMono = performance.now();
      }
      await publishers.end();
      for (const [index, userId] of userIds.entries()) {
        const log = await expectWhole(server, userId, publishers);
        const client = clients[index];
        await client?.has(log.length);
        expect(client?.seen).toEqual(log);
        expect(client?.client.status).toMatchObject({ holes: 0, mayRepeat: false });
        client?.client.close();
      }
      const worstDrainMs = Math.max(...drainMs);
      console.info(
        `stop and start: ${rounds} rounds, ${count()} events acknowledged, lost 0, doubled 0, ` +
          `drain ${Math.round(worstDrainMs)} ms at most, back after ${Math.round(p99(backMs))} ms (p99 of ${backMs.length})`,
      );
    },
    rounds * roundPatienceMs,
  );

  it("keeps the publish that it accepted last", async () => {
    const publisher = new HttpPublisher(() => server.url);
    const run = await publisher.startRun({ userId: "eve", runId: "eve-1" });
    let isOver = false;
    let lastSeq = 0;
    const publishing = (async () => {
      while (!isOver) lastSeq = (await publisher.publish(run, [thinking]).catch(() => ({ seq: lastSeq }))).seq;
    })();
    await expect.poll(() => lastSeq, patience).toBeGreaterThan(10);
    await server.terminate();
    const seqAtExit = lastSeq;
    await server.restart();
    const view = (await call(server.url, "GET /v1/runs/eve-1", { as: await userToken("eve") })).body;
    expect(view.seq).toBeGreaterThanOrEqual(seqAtExit);
    isOver = true;
    await publishing;
  });

  it.each(["SIGTERM", "SIGINT"] as const)(
    "ends at once at a second %s, says so by its code, and keeps what it acknowledged",
    async (signal) => {
      const publishers = publishFor(server, [`fay-${signal}`], random);
      await expect.poll(() => publishers.publisher.acknowledged.length, patience).toBeGreaterThan(20);
      const said = server.stderr.length;
      server.signal(signal);
      await expect.poll(() => server.stderr.slice(said), patience).toContain("once more ends at once");
      const { code, ms } = await server.stop(signal);
      expect(code).toBe(exitCodes[signal]);
      expect(ms).toBeLessThan(atOnceMs);
      await server.restart();
      await publishers.end();
      await expectWhole(server, `fay-${signal}`, publishers);
    },
  );
});
