/**
 * The other side: clients on loopback sockets, one process for all, the same code for every server. It parses each
 * message, counts events, measures publish → client, and tells the server which runs its clients have.
 */
import { SignJWT } from "jose";
import { io } from "socket.io-client";
import { WebSocket } from "ws";
import type { Control } from "./control.ts";
import { nowMs } from "./workload.ts";

export type Kind = "raw" | "runcast" | "socket-io";

/** A server that clients may connect to. */
export interface Door {
  readonly port: number;
  readonly control: Control;
}

export interface Load {
  readonly received: number;
  /** When the last event came, by `nowMs`. */
  readonly lastMs: number;
  readonly latenciesMs: number[];
  /** Of each event of a user the moment when the last of its connections had it. */
  readonly lastLatenciesMs: number[];
  /** Resolves when so many events have come since `reset`. */
  until(events: number): Promise<void>;
  /** The same, or when none has come for some seconds: then the rest is lost. */
  untilStill(events: number): Promise<void>;
  reset(): void;
  close(): void;
}

const secret = new TextEncoder().encode("bench-secret-of-at-least-32-bytes!!");
const reportMs = 2;
const connectBatch = 100;
/** Nothing came for so long: nothing will. The first may take longer. */
const stillMs = 8_000;
const firstMs = 30_000;
const lookMs = 500;

export const tokenOf = (user: string): Promise<string> =>
  new SignJWT({}).setProtectedHeader({ alg: "HS256" }).setSubject(user).setExpirationTime("1h").sign(secret);

interface AnyEvent {
  readonly type: string;
  readonly data?: { readonly at?: number; readonly input?: { readonly at?: number } };
}

interface Line {
  readonly user: string;
  /** Events that came on it since the last reset, and ends of runs among them. */
  count: number;
  ends: number;
}

/**
 * Opens `connectionsPerUser` sockets for each user, each user's on doors one after the other, beginning with the one that
 * publishes for it: of user i that is door i modulo their number. Resolves when all are welcomed.
 */
export async function openLoad(
  kind: Kind,
  doors: readonly Door[],
  users: readonly string[],
  connectionsPerUser: number,
  from: "now" | "start" = "now",
): Promise<Load> {
  const sockets: { terminate(): void }[] = [];
  const state = { received: 0, lastMs: 0, target: Number.POSITIVE_INFINITY, reached: (): void => {} };
  const latenciesMs: number[] = [];
  const lastLatenciesMs: number[] = [];
  const lines: Line[] = [];
  /** Of each user, how many connections have its n-th event. */
  const arrivals = new Map<string, number[]>();
  const publisherOf = new Map(users.map((user, index) => [user, index % doors.length]));
  const linesOf = new Map<string, Line[]>();
  const reported = new Map<string, number>();
  const report = setInterval(() => {
    const runs = doors.map((): Record<string, number> => ({}));
    for (const [user, mine] of linesOf) {
      // A run counts when every connection of its user has its end.
      const whole = mine.reduce((least, { ends }) => Math.min(least, ends), Number.POSITIVE_INFINITY);
      const before = reported.get(user) ?? 0;
      const own = runs[publisherOf.get(user) ?? 0];
      if (whole > before && own) own[user] = whole - before;
      reported.set(user, whole);
    }
    for (const [index, { control }] of doors.entries()) {
      const mine = runs[index] ?? {};
      if (Object.keys(mine).length > 0) control.order({ do: "received", runs: mine });
    }
  }, reportMs);

  const take = (line: Line, event: AnyEvent): void => {
    const { user } = line;
    state.received += 1;
    const at = event.data?.at ?? event.data?.input?.at;
    const there = arrivals.get(user) ?? [];
    if (there.length === 0) arrivals.set(user, there);
    const have = (there[line.count] ?? 0) + 1;
    there[line.count] = have;
    line.count += 1;
    state.lastMs = nowMs();
    if (at !== undefined) {
      const ms = state.lastMs - at;
      latenciesMs.push(ms);
      if (have === connectionsPerUser) lastLatenciesMs.push(ms);
    }
    if (event.type === "agent_completed") line.ends += 1;
    if (state.received === state.target) state.reached();
  };

  const newLine = (user: string): Line => {
    const line = { user, count: 0, ends: 0 };
    lines.push(line);
    linesOf.set(user, [...(linesOf.get(user) ?? []), line]);
    return line;
  };

  const openSocketIo = (port: number, user: string): Promise<void> =>
    new Promise((resolve) => {
      const socket = io(`http://127.0.0.1:${port}`, { transports: ["websocket"], auth: { user }, forceNew: true });
      const line = newLine(user);
      sockets.push({ terminate: () => socket.disconnect() });
      // The server says so when the socket is in its room.
      socket.on("welcome", () => resolve());
      socket.on("event", (event: AnyEvent) => take(line, event));
    });

  const openWebSocket = async (port: number, user: string): Promise<void> => {
    const token = kind === "runcast" ? await tokenOf(user) : "";
    const socket =
      kind === "raw"
        ? new WebSocket(`ws://127.0.0.1:${port}/?user=${user}`, { perMessageDeflate: false })
        : new WebSocket(`ws://127.0.0.1:${port}/v1/ws`, ["runcast.v1"], { perMessageDeflate: false });
    sockets.push(socket);
    const line = newLine(user);
    const device = `d${sockets.length}`;
    socket.on("error", () => {});
    let unacked = 0;
    await new Promise<void>((resolve) => {
      socket.on("open", () => {
        if (kind === "raw") resolve();
        else socket.send(JSON.stringify({ type: "hello", token, from, device }));
      });
      socket.on("message", (bytes: Buffer) => {
        const message = JSON.parse(bytes.toString()) as { type: string; upto: number; events: AnyEvent[] };
        if (kind === "raw") return take(line, message as AnyEvent);
        if (message.type === "welcome") return resolve();
        if (message.type !== "events") return;
        for (const event of message.events) take(line, event);
        unacked += message.events.length;
        if (unacked < 256) return;
        unacked = 0;
        socket.send(`{"type":"ack","offset":${message.upto}}`);
      });
    });
  };
  const open = kind === "socket-io" ? openSocketIo : openWebSocket;
  const all = users.flatMap((user, index) =>
    Array.from({ length: connectionsPerUser }, (_, nth) => ({ user, door: doors[(index + nth) % doors.length] })),
  );
  for (let at = 0; at < all.length; at += connectBatch)
    await Promise.all(all.slice(at, at + connectBatch).map(({ user, door }) => open(door?.port ?? 0, user)));

  const until = (events: number): Promise<void> =>
    new Promise((resolve) => {
      state.target = events;
      state.reached = resolve;
      if (state.received >= events) resolve();
    });

  return {
    get received() {
      return state.received;
    },
    get lastMs() {
      return state.lastMs;
    },
    latenciesMs,
    lastLatenciesMs,
    until,
    untilStill: (events) => {
      let before = 0;
      let sinceMs = nowMs();
      const look = setInterval(() => {
        if (state.received !== before) sinceMs = nowMs();
        before = state.received;
        if (nowMs() - sinceMs > (before === 0 ? firstMs : stillMs)) state.reached();
      }, lookMs);
      return until(events).finally(() => clearInterval(look));
    },
    reset: () => {
      state.received = 0;
      latenciesMs.length = 0;
      lastLatenciesMs.length = 0;
      arrivals.clear();
      for (const line of lines) {
        line.count = 0;
        line.ends = 0;
      }
      reported.clear();
    },
    close: () => {
      clearInterval(report);
      for (const socket of sockets) socket.terminate();
    },
  };
}
