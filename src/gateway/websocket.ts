/**
 * `GET /v1/ws`: everything that can be refused is refused before the upgrade, as HTTP; after it, frames go through
 * the codec to the runtime, and the runtime decides. Nothing is registered for a stranger but a place in the count.
 */
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import * as Effect from "effect/Effect";
import type { ServerOptions } from "ws";
import { WebSocket, WebSocketServer } from "ws";
import { decodeClientFrame } from "../../protocol/codec.ts";
import { subprotocol } from "../../protocol/frames.ts";
import { frameLimits } from "../../protocol/json.ts";
import { NotAccepting, TooMany } from "../errors.ts";
import type { Clock } from "../platform/clock.ts";
import type { Connection } from "../runtime/runtime.ts";
import { attemptOf, noteFailure, refuseUrlToken, streamUserOf, subprotocolsOf } from "./credential.ts";
import type { Desk } from "./desk.ts";
import { failureReply, upgradeRequired } from "./failure.ts";
import { sendRawReply } from "./reply.ts";
import { WebSocketTransport } from "./websocket-transport.ts";

/** Client frames per second and connection. */
export const maxFramesPerSecond = 100;
const rateWindowMs = 1_000;
/** How long the other side may take to answer a close. */
const closeTimeoutMs = 5_000;
const authTimeoutMs = 5_000;
const retryAfterMs = 1_000;

/** A socket of ours: its handlers are shared, its state is here. */
class ClientSocket extends WebSocket {
  transport: WebSocketTransport | undefined = undefined;
  clock: Clock | undefined = undefined;
  private windowStart = Number.NEGATIVE_INFINITY;
  private framesInWindow = 0;
  private earlyBytes = 0;

  /** Counts what comes before `welcome`, which is kept until then. False: more than one frame could hold. */
  takesEarly(bytes: number): boolean {
    this.earlyBytes += bytes;
    return this.earlyBytes <= frameLimits.maxChars;
  }

  /** Counts one frame. False: one too many, of this connection or of its user, and it has been sent away. */
  countFrame(): boolean {
    const waitMs = this.overByMs();
    const connection = this.transport?.connection;
    if (waitMs > 0) connection?.flooded(waitMs);
    return waitMs === 0 && (connection?.admitsFrame() ?? true);
  }

  /** Milliseconds until the next one may come; 0: now. */
  private overByMs(): number {
    const now = this.clock?.mono() ?? 0;
    if (now - this.windowStart >= rateWindowMs) {
      this.windowStart = now;
      this.framesInWindow = 0;
    }
    this.framesInWindow += 1;
    return this.framesInWindow <= maxFramesPerSecond ? 0 : Math.ceil(this.windowStart + rateWindowMs - now);
  }
}

/** `closeTimeout` is newer than the types of ws. */
const serverOptions: ServerOptions<typeof ClientSocket> & { readonly closeTimeout: number } = {
  noServer: true,
  clientTracking: false,
  perMessageDeflate: false,
  maxPayload: frameLimits.maxChars,
  closeTimeout: closeTimeoutMs,
  // `onPing` counts before it answers.
  autoPong: false,
  WebSocket: ClientSocket,
  // The token's entry is never echoed.
  handleProtocols: () => subprotocol,
};
const server = new WebSocketServer(serverOptions);

function onMessage(this: WebSocket, data: unknown, isBinary: boolean): void {
  if (!(this instanceof ClientSocket) || !this.transport?.isOpen) return;
  const { transport } = this;
  if (!this.countFrame()) return;
  const { connection } = transport;
  if (isBinary || !Buffer.isBuffer(data)) {
    connection?.malformed({ path: "", message: "must be a text frame" });
    return;
  }
  if (!transport.isWelcome && !this.takesEarly(data.length)) {
    connection?.malformed({
      path: "",
      message: `may not bring more than ${frameLimits.maxChars} bytes before welcome`,
    });
    return;
  }
  const decoded = decodeClientFrame(data.toString("utf8"));
  if (decoded.ok) connection?.receive(decoded.value);
  else connection?.malformed(decoded.issue);
}

/** Pings and pongs count too: each ping is answered, and nobody may have us write without end. */
function isHeard(webSocket: WebSocket): webSocket is ClientSocket {
  if (!(webSocket instanceof ClientSocket) || !webSocket.transport?.isOpen) return false;
  if (!webSocket.countFrame()) return false;
  webSocket.transport.connection?.heard();
  return true;
}

function onPong(this: WebSocket): void {
  isHeard(this);
}

function onPing(this: WebSocket, data: Buffer): void {
  if (isHeard(this)) this.transport?.pong(data);
}

function onClose(this: WebSocket): void {
  if (this instanceof ClientSocket) this.transport?.gone();
}

/** What broke shows in the close that follows; without a listener it would end the process. */
function onError(): void {}

const destroy = function (this: Socket): void {
  this.destroy();
};

/** Everything that is decided before the upgrade, in the order of its cost; a ticket is consumed last. */
const admit = Effect.fnUntraced(function* (desk: Desk, request: IncomingMessage, query: URLSearchParams) {
  if (!desk.pending.enter(request.socket))
    return yield* new TooMany({ message: "too many connections without a credential", retryAfterMs });
  const refused = refuseUrlToken(query) ?? desk.origins.refuse(request);
  if (refused) {
    noteFailure(desk, attemptOf("websocket", request), refused);
    return yield* refused;
  }
  if (!subprotocolsOf(request).includes(subprotocol))
    return yield* upgradeRequired(`the subprotocol must be ${subprotocol}`);
  if (desk.runtime.state() !== "accepting") return yield* new NotAccepting({ retryAfterMs });
  const entered = desk.addresses.enter(request);
  if (entered instanceof TooMany) return yield* entered;
  request.socket.once("close", entered);
  const principal = yield* streamUserOf(desk, request, query, "websocket");
  const transport = new WebSocketTransport(request.socket, desk.pending);
  const connection = yield* desk.runtime.open({ transport, principal, remoteAddress: request.socket.remoteAddress });
  return { transport, connection };
});

/** Takes an upgrade of `/v1/ws` in, or refuses it. */
export function handleWebSocket(desk: Desk, request: IncomingMessage, query: URLSearchParams, head: Buffer): void {
  const { socket } = request;
  socket.on("error", destroy);
  const admitted = admit(desk, request, query).pipe(
    Effect.timeoutOrElse({ duration: authTimeoutMs, orElse: () => Effect.fail(new NotAccepting({ retryAfterMs })) }),
  );
  Effect.runCallback(admitted, {
    onExit: (exit) => {
      socket.off("error", destroy);
      if (exit._tag === "Success") {
        upgrade(desk, request, head, exit.value);
        return;
      }
      const reply = failureReply(desk, exit, "GET /v1/ws", request);
      desk.countAnswer(reply.status);
      desk.journal.write("debug", "websocket.refused", { status: reply.status });
      socket.on("error", destroy);
      if (socket.writable) sendRawReply(socket, reply);
      else socket.destroy();
    },
  });
}

interface Admitted {
  readonly transport: WebSocketTransport;
  readonly connection: Connection;
}

function upgrade(desk: Desk, request: IncomingMessage, head: Buffer, { transport, connection }: Admitted): void {
  let isDone = false;
  server.handleUpgrade(request, request.socket, head, (webSocket) => {
    isDone = true;
    webSocket.transport = transport;
    webSocket.clock = desk.clock;
    transport.attach(webSocket, connection);
    webSocket.on("message", onMessage);
    webSocket.on("pong", onPong);
    webSocket.on("ping", onPing);
    webSocket.on("close", onClose);
    webSocket.on("error", onError);
  });
  // The handshake itself was malformed, or the other side has gone: ws has answered.
  if (!isDone) connection.closed();
}
