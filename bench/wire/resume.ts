/** W4: clients that were away come back all at once; how long until each has everything it missed. */
import { once } from "node:events";
import { WebSocket } from "ws";
import { tokenOf } from "./load.ts";
import type { ServerProcess } from "./server-process.ts";
import { startServer } from "./server-process.ts";
import { eventsPerRun, userNames } from "./workload.ts";

interface Cursor {
  readonly epoch: string;
  readonly offset: number;
}

export interface ResumeFigures {
  readonly clients: number;
  readonly missedEach: number;
  /** From the first connect to the last client that has caught up. */
  readonly ms: number;
  readonly lost: number;
}

const runsMissed = 4;

/** One client at its cursor: resolves with how many events came, once `wanted` have. */
async function comeBack(port: number, token: string, cursor: Cursor, wanted: number): Promise<number> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/v1/ws`, ["runcast.v1"], { perMessageDeflate: false });
  await once(socket, "open");
  socket.send(JSON.stringify({ type: "hello", token, cursor, device: "d" }));
  let got = 0;
  await new Promise<void>((resolve) => {
    socket.on("message", (bytes: Buffer) => {
      const frame = JSON.parse(bytes.toString()) as { type: string; events?: unknown[] };
      if (frame.type === "events") got += frame.events?.length ?? 0;
      if (got >= wanted) resolve();
    });
    socket.on("close", () => resolve());
  });
  socket.terminate();
  return got;
}

/** A client that looks in once, to learn where its stream stands. */
async function cursorOf(port: number, token: string): Promise<Cursor> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/v1/ws`, ["runcast.v1"]);
  await once(socket, "open");
  socket.send(JSON.stringify({ type: "hello", token, from: "now", device: "d" }));
  const [bytes] = (await once(socket, "message")) as [Buffer];
  const { epoch, head } = JSON.parse(bytes.toString()) as { epoch: string; head: number };
  socket.terminate();
  return { epoch, offset: head };
}

/** Away and back: what was missed by each, and how long it took all of them to have it. */
async function awayAndBack(server: ServerProcess, tokens: readonly string[]): Promise<ResumeFigures> {
  const clients = tokens.length;
  const cursors: Cursor[] = [];
  for (const token of tokens) cursors.push(await cursorOf(server.port, token));
  const published = server.control.hear("published");
  const work = { users: userNames(clients), runsPerUser: runsMissed, window: runsMissed, everyMs: 0 };
  server.control.order({ do: "publish", work });
  await published;
  const missedEach = runsMissed * eventsPerRun;
  const startMs = performance.now();
  const got = await Promise.all(
    tokens.map((token, index) => comeBack(server.port, token, cursors[index] ?? { epoch: "", offset: 0 }, missedEach)),
  );
  const ms = performance.now() - startMs;
  return { clients, missedEach, ms, lost: got.reduce((sum, each) => sum + missedEach - each, 0) };
}

/** Once to warm up the code of both sides, once for the figure. */
export async function measureResume(clients: number): Promise<ResumeFigures> {
  const server = await startServer("runcast");
  const tokens = await Promise.all(Array.from({ length: clients }, (_, index) => tokenOf(`user-${index}`)));
  await awayAndBack(server, tokens);
  const figures = await awayAndBack(server, tokens);
  await server.stop();
  return figures;
}
