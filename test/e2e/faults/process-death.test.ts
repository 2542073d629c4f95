import { afterEach, describe, expect, it } from "vitest";
import { BuiltServer } from "../../support/built-server.ts";
import type { BuiltServerOptions } from "../../support/built-server.ts";
import { HttpPublisher } from "../../support/http-publisher.ts";
import { expectWhole, publishFor } from "../../support/publishers.ts";
import { seededRandom } from "../../support/seeded-random.ts";
import { onUserSignal } from "../../support/server-preload.ts";

const userIds = ["ada", "bea", "cy"];
const patience = { timeout: 30_000, interval: 5 };
const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000);
const eventsBefore = 150;
const eventsAfter = 60;

/** Small enough to be filled, large enough to start and to serve. */
const heapMb = 48;
const fatEventBytes = 900_000;
const fatPublishers = 80;

let server: BuiltServer;
afterEach(() => server[Symbol.asyncDispose]());

/** Publishes, lets the server die by `kill`, starts it again, and holds the store against what was acknowledged. */
async function dieUnderLoad(options: BuiltServerOptions, kill: () => Promise<void> | void) {
  server = await BuiltServer.start(options);
  const publishers = publishFor(server, userIds, seededRandom(seed));
  const count = () => publishers.publisher.acknowledged.length;
  await expect.poll(count, patience).toBeGreaterThan(eventsBefore);
  await kill();
  const ended = await server.ended();
  const acknowledged = count();
  const startMs = await server.restart();
  const upMono = performance.now();
  await expect.poll(count, patience).toBeGreaterThan(acknowledged);
  const servingMs = startMs + performance.now() - upMono;
  await expect.poll(count, patience).toBeGreaterThan(acknowledged + eventsAfter);
  await publishers.end();
  for (const userId of userIds) await expectWhole(server, userId, publishers);
  return { ended, acknowledged: count(), servingMs };
}

describe(`a server that a bug ends (I0, I1, SEED=${seed})`, () => {
  it.each<[string, string, string]>([
    ["an exception", "setImmediate(() => { throw new Error('a planted bug'); })", "uncaughtException"],
    ["a rejection", "void Promise.reject(new Error('a planted bug'))", "unhandledRejection"],
  ])("says so, ends with 1, and has lost nothing that it acknowledged: %s", async (_, body, origin) => {
    const { ended } = await dieUnderLoad({ env: { NODE_OPTIONS: onUserSignal(body) } }, () => server.signal("SIGUSR2"));
    expect(ended).toEqual({ code: 1, signal: null });
    const record = server.stderr.split("\n").find((line) => line.includes("process.uncaught"));
    expect(JSON.parse(record ?? "{}")).toMatchObject({
      level: "error",
      origin,
      cause: expect.stringMatching(/^Error/),
    });
    // And where it stood, for who has to mend it: its message may hold a payload.
    expect(server.stderr).toMatch(/runcast serve: Error.*\nat /);
    expect(server.stderr).not.toContain("a planted bug");
  });
});

describe(`a server whose memory ends (I1, I12, SEED=${seed})`, () => {
  it("is killed by it, comes back, and has lost nothing that it acknowledged", async () => {
    const options = { env: { NODE_OPTIONS: `--max-old-space-size=${heapMb}` } };
    const { ended, acknowledged, servingMs } = await dieUnderLoad(options, async () => {
      const text = "x".repeat(fatEventBytes);
      const glutton = new HttpPublisher(() => server.url);
      const run = await glutton.startRun({ userId: "glutton", runId: "fat" });
      const fat = async (): Promise<void> => {
        while (server.pid !== undefined) {
          // One that is refused, or whose server is gone, has had its part.
          const body = JSON.stringify({ fence: run.fence, events: [{ type: "x.fat", data: { text } }] });
          const headers = { authorization: "Bearer key-publish", "content-type": "application/json" };
          const sent = await fetch(`${server.url}/v1/runs/fat/events`, { method: "POST", headers, body }).catch(
            () => {},
          );
          if (sent === undefined) return;
          await sent.arrayBuffer().catch(() => {});
        }
      };
      void Promise.all(Array.from({ length: fatPublishers }, fat));
    });
    expect(ended).not.toEqual({ code: 0, signal: null });
    expect(server.stderr).toMatch(/heap out of memory/);
    console.info(
      `memory ended: ${acknowledged} events acknowledged, lost 0, serving again after ${Math.round(servingMs)} ms`,
    );
  });
});
