/** One bare WebSocket of a device: hello with its cursor, frames as they come, and an end when the server goes quiet. */
import { WebSocket } from "ws";
import type { ServerFrame } from "../../../protocol/frames.ts";
import type { Line, LineEvents } from "./fleet-reader.ts";

export interface LineOptions {
  readonly url: string;
  /** Any node, for calls beside the line. */
  readonly anyUrl: () => string;
  readonly token: string;
  readonly device: string;
  readonly cursor: { readonly epoch: string; readonly offset: number } | undefined;
}

/** Three pings of a fleet's nodes. */
const quietMs = 3_000;

export class SocketLine implements Line {
  readonly #socket: WebSocket;
  #timer: NodeJS.Timeout | undefined;

  constructor({ url, token, device, cursor }: LineOptions, events: LineEvents) {
    const socket = new WebSocket(`${url.replace("http", "ws")}/v1/ws`, ["runcast.v1"]);
    this.#socket = socket;
    const heard = (): void => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => socket.terminate(), quietMs);
    };
    heard();
    socket.on("error", () => {});
    socket.on("ping", heard);
    socket.on("close", (code) => {
      clearTimeout(this.#timer);
      events.ended(code);
    });
    socket.on("open", () => {
      const place = cursor === undefined ? { from: "start" } : { cursor };
      socket.send(
        JSON.stringify({ type: "hello", token, device: device.replace("/", "-"), mergeDeltas: false, ...place }),
      );
    });
    socket.on("message", (data: Buffer) => {
      heard();
      events.frame(JSON.parse(data.toString("utf8")) as ServerFrame);
    });
  }

  ack(offset: number): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify({ type: "ack", offset }));
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#socket.terminate();
  }
}
