/**
 * The other side: clients on loopback sockets, one process for all, the same code for every server. It parses each
 * message, counts events, measures publish → client, and tells the server which runs its clients have.
 */
import { SignJWT } from "jose";
import { WebSocket } from "ws";
import type { Control } from "./control.ts";
import { nowMs } from "./workload.ts";

export type Kind = "raw" | "runcast";

export interface Load {
  readonly received: number;
  readonly latenciesMs: number[];
  /** Resolves when so many events have come since `reset`. */
  until(events: number): Promise<void>;
  reset(): void;
  close(): void;
}

const secret = new TextEncoder().encode("bench-secret-of-at-least-32-bytes!!");
const reportMs = 2;
const connectBatch = 100;

export const tokenOf = (user: string): Promise<string> =>
  new SignJWT({}).setProtectedHeader({ alg: "HS256" }).setSubject(user).setExpirationTime("1h").sign(secret);

interface AnyEvent {
  readonly type: string;
  readonly data?: { readonly at?: number; readonly input?: { readonly at?: number } };
}

/** Opens `connectionsPerUser` sockets for each user. `ready` means welcomed. */
export async function openLoad(
  kind: Kind,
  port: number,
  control: Control,
  users: readonly string[],
  connectionsPerUser: number,
): Promise<Load> {
  const sockets: WebSocket[] = [];
  const state = { received: 0, target: Number.POSITIVE_INFINITY, reached: (): void => {} };
  const latenciesMs: number[] = [];
  const finished = new Map<string, number>();
  const reported = new Map<string, number>();
  const report = setInterval(() => {
    const runs: Record<string, number> = {};
    for (const [user, ends] of finished) {
      // A run counts when every connection of its user has its end.
      const whole = Math.floor(ends / connectionsPerUser);
      const before = reported.get(user) ?? 0;
      if (whole > before) runs[user] = whole - before;
      reported.set(user, whole);
    }
    if (Object.keys(runs).length > 0) control.order({ do: "received", runs });
  }, reportMs);

  const take = (user: string, event: AnyEvent): void => {
    state.received += 1;
    const at = event.data?.at ?? event.data?.input?.at;
    if (at !== undefined) latenciesMs.push(nowMs() - at);
    if (event.type === "agent_completed") finished.set(user, (finished.get(user) ?? 0) + 1);
    if (state.received === state.target) state.reached();
  };

  const open = async (user: string): Promise<void> => {
    const token = kind === "runcast" ? await tokenOf(user) : "";
    const socket =
      kind === "raw"
        ? new WebSocket(`ws://127.0.0.1:${port}/?user=${user}`, { perMessageDeflate: false })
        : new WebSocket(`ws://127.0.0.1:${port}/v1/ws`, ["runcast.v1"], { perMessageDeflate: false });
    sockets.push(socket);
    socket.on("error", () => {});
    let unacked = 0;
    await new Promise<void>((resolve) => {
      socket.on("open", () => {
        if (kind === "raw") resolve();
        else socket.send(JSON.stringify({ type: "hello", token, from: "now", device: `d${sockets.length}` }));
      });
      socket.on("message", (bytes: Buffer) => {
        const message = JSON.parse(bytes.toString()) as { type: string; upto: number; events: AnyEvent[] };
        if (kind === "raw") return take(user, message as AnyEvent);
        if (message.type === "welcome") return resolve();
        if (message.type !== "events") return;
        for (const event of message.events) take(user, event);
        unacked += message.events.length;
        if (unacked < 256) return;
        unacked = 0;
        socket.send(`{"type":"ack","offset":${message.upto}}`);
      });
    });
  };
  const all = users.flatMap((user) => Array.from({ length: connectionsPerUser }, () => user));
  for (let at = 0; at < all.length; at += connectBatch)
    await Promise.all(all.slice(at, at + connectBatch).map((user) => open(user)));

  return {
    get received() {
      return state.received;
    },
    latenciesMs,
    until: (events) =>
      new Promise((resolve) => {
        state.target = events;
        state.reached = resolve;
        if (state.received >= events) resolve();
      }),
    reset: () => {
      state.received = 0;
      latenciesMs.length = 0;
      finished.clear();
      reported.clear();
    },
    close: () => {
      clearInterval(report);
      for (const socket of sockets) socket.terminate();
    },
  };
}
