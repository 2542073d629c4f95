/**
 * The doors of the house on a Node HTTP server: on our own (`serve`) or on the application's (`attach`), with the
 * same handlers behind both.
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { NotFound } from "../errors.ts";
import type { Collected } from "../telemetry/prometheus.ts";
import { collected } from "../telemetry/prometheus.ts";
import type { GatewayOptions } from "./desk.ts";
import { Desk } from "./desk.ts";
import { figuresOf } from "./figures.ts";
import { handleRequest, isApiPath, targetOf } from "./http.ts";
import { errorReply, sendRawReply, sendReply } from "./reply.ts";
import { handleWebSocket } from "./websocket.ts";

type RequestListener = (request: IncomingMessage, response: ServerResponse) => void;

export class Gateway {
  private readonly desk: Desk;

  constructor(options: GatewayOptions) {
    this.desk = new Desk(options);
  }

  /** Sockets whose other side has not said who it is. */
  get pending(): Desk["pending"] {
    return this.desk.pending;
  }

  /** How many sockets a server of ours takes. */
  get ceiling(): Desk["ceiling"] {
    return this.desk.ceiling;
  }

  /** What this process counts, for the page of all workers. */
  collected(): Collected {
    return collected(figuresOf(this.desk));
  }

  /** Answers any request. */
  handle(request: IncomingMessage, response: ServerResponse): void {
    handleRequest(this.desk, request, response);
  }

  /** Takes an upgrade in. False: its path is not ours, and the socket is untouched. */
  upgrade(request: IncomingMessage, head: Buffer): boolean {
    const { path, query } = targetOf(request);
    if (path !== "/v1/ws") return false;
    handleWebSocket(this.desk, request, query, head);
    return true;
  }

  /**
   * Joins the application's server: `/v1` is ours, everything else stays with its listeners. Call it when they are
   * there. A request or an upgrade that nobody else could answer gets 404. The answer undoes it.
   */
  attach(server: Server): () => void {
    const theirs = server.listeners("request") as RequestListener[];
    const onRequest: RequestListener = (request, response) => {
      if (isApiPath(targetOf(request).path)) {
        this.handle(request, response);
        return;
      }
      for (const listener of theirs) listener.call(server, request, response);
      // A request without an owner would hang.
      if (server.listenerCount("request") === 1 && theirs.length === 0)
        sendReply(response, errorReply(new NotFound({ what: "route" })));
    };
    const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
      if (this.upgrade(request, head)) return;
      if (server.listenerCount("upgrade") === 1) refuseUpgrade(socket);
    };
    server.removeAllListeners("request");
    server.on("request", onRequest);
    server.on("upgrade", onUpgrade);
    return () => {
      server.off("upgrade", onUpgrade);
      server.off("request", onRequest);
      for (const listener of theirs) server.on("request", listener);
    };
  }
}

/** An upgrade without an owner would hang. */
export function refuseUpgrade(socket: Duplex): void {
  socket.on("error", () => socket.destroy());
  sendRawReply(socket, errorReply(new NotFound({ what: "route" })));
}
