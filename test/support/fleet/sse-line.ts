/** One bare SSE stream of a device. Its acks are calls of their own, which any node takes. */
import type { IncomingMessage } from "node:http";
import { request } from "node:http";
import type { ServerFrame } from "../../../protocol/frames.ts";
import { call } from "../http-reader.ts";
import type { Line, LineEvents } from "./fleet-reader.ts";
import type { LineOptions } from "./socket-line.ts";

const okStatus = 200;
/** A node that stands still answers nothing. */
const openMs = 3_000;

export class SseLine implements Line {
  readonly #options: LineOptions;
  readonly #events: LineEvents;
  readonly #asked;
  #connectionId = "";
  #wanted = 0;
  #isAcking = false;
  #isOver = false;

  constructor(options: LineOptions, events: LineEvents) {
    this.#options = options;
    this.#events = events;
    const { url, token, cursor, device } = options;
    const place =
      cursor === undefined ? "from=start" : `cursor=${encodeURIComponent(`${cursor.epoch}:${cursor.offset}`)}`;
    const query = `${place}&device=${encodeURIComponent(device.replace("/", "-"))}&mergeDeltas=false`;
    this.#asked = request(`${url}/v1/stream?${query}`, {
      agent: false,
      headers: { authorization: `Bearer ${token}` },
    });
    const timer = setTimeout(() => this.#asked.destroy(), openMs);
    this.#asked.on("response", (response) => {
      clearTimeout(timer);
      void this.#read(response);
    });
    this.#asked.on("error", () => {
      clearTimeout(timer);
      this.#end();
    });
    this.#asked.end();
  }

  ack(offset: number): void {
    this.#wanted = offset;
    if (!this.#isAcking) void this.#acknowledge();
  }

  close(): void {
    this.#isOver = true;
    this.#asked.destroy();
  }

  async #acknowledge(): Promise<void> {
    this.#isAcking = true;
    for (let told = 0; told < this.#wanted && !this.#isOver; ) {
      const offset = this.#wanted;
      const body = { connectionId: this.#connectionId, offset };
      await call(this.#options.anyUrl(), "POST /v1/ack", { as: this.#options.token, body }).catch(() => {});
      told = offset;
    }
    this.#isAcking = false;
  }

  async #read(response: IncomingMessage): Promise<void> {
    let rest = "";
    try {
      if (response.statusCode !== okStatus) return response.destroy() && undefined;
      for await (const text of response.setEncoding("utf8")) {
        const blocks = (rest + String(text)).split("\n\n");
        rest = blocks.pop() ?? "";
        for (const block of blocks) this.#take(block);
      }
    } catch {
      // Cut: it comes back elsewhere.
    } finally {
      this.#end();
    }
  }

  #take(block: string): void {
    const data = block
      .split("\n")
      .find((line) => line.startsWith("data:"))
      ?.slice("data:".length);
    if (data === undefined) return;
    const frame = JSON.parse(data) as ServerFrame;
    if (frame.type === "welcome") this.#connectionId = frame.connectionId;
    this.#events.frame(frame);
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#events.ended();
  }
}
