/**
 * A server that says what a test tells it to: real sockets on loopback, real frames, no product code. The test holds
 * each connection in its hands and sees every frame the client sends.
 */
import type { AddressInfo } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";
import type { StreamEvent } from "../../protocol/event.ts";
import type { ClientFrame, ServerFrame, WelcomeFrame } from "../../protocol/frames.ts";
import { asConnectionId, asEpoch, asUserId } from "../../protocol/ids.ts";

type FrameOf<Type extends ClientFrame["type"]> = Extract<ClientFrame, { type: Type }>;

/** One after the other, to whoever asks: what comes first and what is asked for first meet. */
class Arrivals<Value> {
  #here: Value[] = [];
  #asked: ((value: Value) => void)[] = [];

  add(value: Value): void {
    const answer = this.#asked.shift();
    if (answer) answer(value);
    else this.#here.push(value);
  }

  next(): Promise<Value> {
    const value = this.#here.shift();
    return value === undefined ? new Promise((resolve) => this.#asked.push(resolve)) : Promise.resolve(value);
  }
}

export class ScriptedConnection {
  /** Every frame that came, in order. */
  readonly received: ClientFrame[] = [];
  readonly closed: Promise<number>;
  readonly path: string;
  readonly subprotocol: string;
  readonly #socket: WebSocket;
  readonly #frames = new Arrivals<ClientFrame>();

  constructor(socket: WebSocket, path: string) {
    this.#socket = socket;
    this.path = path;
    this.subprotocol = socket.protocol;
    this.closed = new Promise((resolve) => socket.on("close", resolve));
    socket.on("error", () => {});
    socket.on("message", (data: Buffer) => {
      const frame = JSON.parse(data.toString("utf8")) as ClientFrame;
      this.received.push(frame);
      this.#frames.add(frame);
    });
  }

  /** The next frame of that type; those of other types before it are passed over. */
  async frame<Type extends ClientFrame["type"]>(type: Type): Promise<FrameOf<Type>> {
    for (;;) {
      const frame = await this.#frames.next();
      if (frame.type === type) return frame as FrameOf<Type>;
    }
  }

  /** Resolves when the client has taken in all that was sent, and what it said to it has come. */
  async settled(): Promise<void> {
    const pong = new Promise((resolve) => this.#socket.once("pong", resolve));
    this.#socket.ping();
    await pong;
  }

  send(...frames: readonly (ServerFrame | { readonly type: string })[]): void {
    for (const frame of frames) this.#socket.send(JSON.stringify(frame));
  }

  text(text: string): void {
    this.#socket.send(text);
  }

  /** One `events` frame that covers what it carries and no more, unless told otherwise. */
  events(events: readonly StreamEvent[], range: { readonly after?: number; readonly upto?: number } = {}): void {
    const after = range.after ?? (events[0]?.offset ?? 1) - 1;
    this.send({ type: "events", after, upto: range.upto ?? events.at(-1)?.offset ?? after, events });
  }

  /** The first half of a message whose second never comes. */
  half(text: string): void {
    this.#socket.send(text.slice(0, text.length / 2), { fin: false });
  }

  close(code: number, reason = ""): void {
    this.#socket.close(code, reason);
  }

  /** As a network that dies: no close frame. */
  cut(): void {
    this.#socket.terminate();
  }
}

export const epochA = asEpoch("epoch-a");
export const epochB = asEpoch("epoch-b");

export function welcome(fields: Partial<WelcomeFrame> = {}): WelcomeFrame {
  return {
    type: "welcome",
    connectionId: asConnectionId("c-1"),
    userId: asUserId("alice"),
    epoch: epochA,
    head: 0,
    resumed: "fresh",
    heartbeatMs: 15_000,
    windowEvents: 1_024,
    expiresAt: "2026-11-21T12:00:00.000Z",
    ...fields,
  };
}

export class ScriptedServer implements AsyncDisposable {
  /** How many sockets were ever opened. */
  connectionCount = 0;
  readonly #server: WebSocketServer;
  readonly #connections = new Arrivals<ScriptedConnection>();

  private constructor(server: WebSocketServer) {
    this.#server = server;
    server.on("connection", (socket, request) => {
      this.connectionCount += 1;
      this.#connections.add(new ScriptedConnection(socket, request.url ?? ""));
    });
  }

  static async listen(): Promise<ScriptedServer> {
    const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
    await new Promise((resolve) => server.once("listening", resolve));
    return new ScriptedServer(server);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get openCount(): number {
    return this.#server.clients.size;
  }

  connection(): Promise<ScriptedConnection> {
    return this.#connections.next();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#server.clients) socket.terminate();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
