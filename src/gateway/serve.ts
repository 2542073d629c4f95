/**
 * Our own HTTP server: listens, bounds what strangers can hold, and closes with its scope. Whoever closes the scope
 * has drained the runtime before, so that users hear a goodbye.
 */
import type { IncomingMessage, Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { Server as NetServer } from "node:net";
import * as Effect from "effect/Effect";
import { InvalidConfig, TooMany } from "../errors.ts";
import type { Clock } from "../platform/clock.ts";
import { systemClock } from "../platform/clock.ts";
import { createServer } from "../platform/node-http.ts";
import type { GatewayOptions } from "./desk.ts";
import { Gateway, refuseUpgrade } from "./gateway.ts";
import { errorReply, sendRawReply } from "./reply.ts";

export interface ServeOptions extends GatewayOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
}

export interface Serving {
  /** As in `http://127.0.0.1:7420`. */
  readonly url: string;
  readonly port: number;
  readonly server: Server;
  readonly gateway: Gateway;
  /** Takes no new sockets; those that are there stay. Where workers share a port, the others get them. */
  readonly leave: () => void;
}

/** A token of 16 KiB and room for the rest. */
const maxHeaderBytes = 32_768;
const headersTimeoutMs = 5_000;
const requestTimeoutMs = 15_000;
/** How often the two above are looked at. */
const timeoutCheckMs = 1_000;
/** Longer than the idle time of common load balancers, so that they and not we end a connection. */
const keepAliveTimeoutMs = 65_000;
/** For closes that are under way when the server ends. */
const closeGraceMs = 1_000;
const retryAfterMs = 1_000;

const isWebSocket = (request: IncomingMessage): boolean => request.headers.upgrade?.toLowerCase() === "websocket";

function makeServer(): Server {
  return createServer({
    maxHeaderSize: maxHeaderBytes,
    headersTimeout: headersTimeoutMs,
    requestTimeout: requestTimeoutMs,
    connectionsCheckingInterval: timeoutCheckMs,
    keepAliveTimeout: keepAliveTimeoutMs,
    noDelay: true,
    // Clients that offer HTTP/2 by upgrade are answered as if they had not.
    shouldUpgradeCallback: isWebSocket,
  });
}

/** Keeps strangers from taking all sockets; the answer is every socket that is open. */
function watchSockets(server: Server, gateway: Gateway): ReadonlySet<Socket> {
  const sockets = new Set<Socket>();
  const onClose = function (this: Socket): void {
    sockets.delete(this);
  };
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("close", onClose);
    if (gateway.pending.enter(socket)) return;
    socket.on("error", () => socket.destroy());
    sendRawReply(
      socket,
      errorReply(new TooMany({ message: "too many connections without a credential", retryAfterMs })),
    );
  });
  return sockets;
}

function listen(server: Server, host: string, port: number): Effect.Effect<AddressInfo, InvalidConfig> {
  return Effect.callback((resume) => {
    const onError = (cause: Error): void =>
      resume(
        Effect.fail(
          new InvalidConfig({ setting: "RUNCAST_HOST, RUNCAST_PORT", message: `cannot listen: ${cause.message}` }),
        ),
      );
    server.once("error", onError);
    server.listen(port, host, () => {
      server.off("error", onError);
      resume(Effect.succeed(server.address() as AddressInfo));
    });
  });
}

interface Door {
  /** No new sockets. Those that are there stay for what they ask next, and are told not to ask more. */
  readonly leave: () => void;
  readonly isLeft: () => boolean;
  /** Resolves when the last socket is gone. */
  readonly close: () => Promise<void>;
}

function doorOf(server: Server): Door {
  let closed: Promise<void> | undefined;
  // The close of an HTTP server would cut idle connections, and with them the request that is just on its way.
  const leave = (): Promise<void> => new Promise((resolve) => NetServer.prototype.close.call(server, () => resolve()));
  return {
    leave: () => {
      closed ??= leave();
    },
    isLeft: () => closed !== undefined,
    close: () => {
      closed ??= leave();
      server.closeIdleConnections();
      return closed;
    },
  };
}

function close(door: Door, sockets: ReadonlySet<Socket>, clock: Clock): Effect.Effect<void> {
  return Effect.promise(async () => {
    const cancel = clock.after(closeGraceMs, () => {
      for (const socket of sockets) socket.destroy();
    });
    await door.close();
    cancel();
  });
}

/**
 * Listens until the scope closes.
 *
 * Fails: `InvalidConfig` when the address cannot be bound.
 */
export const serve = Effect.fnUntraced(function* (options: ServeOptions) {
  const gateway = new Gateway(options);
  const server = makeServer();
  const door = doorOf(server);
  const sockets = watchSockets(server, gateway);
  server.on("request", (request, response) => {
    if (door.isLeft()) response.shouldKeepAlive = false;
    gateway.handle(request, response);
  });
  server.on("upgrade", (request, socket, head) => {
    if (!gateway.upgrade(request, head)) refuseUpgrade(socket);
  });
  const address = yield* Effect.acquireRelease(listen(server, options.host, options.port), () =>
    close(door, sockets, options.clock ?? systemClock),
  );
  gateway.ceiling.hold(server);
  const host = address.family === "IPv6" ? `[${address.address}]` : address.address;
  const serving: Serving = {
    url: `http://${host}:${address.port}`,
    port: address.port,
    server,
    gateway,
    leave: door.leave,
  };
  return serving;
});
