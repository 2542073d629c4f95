/** A bare reader of `GET /v1/stream`: frames as they come, and what a browser would send to resume. */
import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { text } from "node:stream/consumers";
import type { ServerFrame } from "../../protocol/frames.ts";
import type { StreamEvent } from "../../protocol/event.ts";

export class SseStream {
  /** All but what is said of the credential: that may come between any two. */
  readonly frames: ServerFrame[] = [];
  /** What was said of the credential, in order. */
  readonly authStates: string[] = [];
  /** The newest `id:`: the next `Last-Event-ID`. */
  lastEventId: string | undefined;
  private readonly response: IncomingMessage;
  private waiting: (() => void)[] = [];
  private isOver = false;

  private constructor(response: IncomingMessage) {
    this.response = response;
  }

  /** On a connection of its own. Fails when the answer is no stream. */
  static async open(url: string, token: string, query = "", headers: Record<string, string> = {}): Promise<SseStream> {
    const asked = request(`${url}/v1/stream${query}`, {
      agent: false,
      headers: { authorization: `Bearer ${token}`, ...headers },
    });
    asked.end();
    const [response] = (await once(asked, "response")) as [IncomingMessage];
    // Cut in the middle: the body's end says so.
    asked.on("error", () => {});
    const type = response.headers["content-type"] ?? "";
    if (response.statusCode !== 200 || !type.startsWith("text/event-stream"))
      throw new Error(`no stream: ${response.statusCode} ${type} ${await text(response)}`);
    const stream = new SseStream(response);
    void stream.read();
    return stream;
  }

  get events(): StreamEvent[] {
    return this.frames.flatMap((frame) => (frame.type === "events" ? frame.events : []));
  }

  /** Until a frame fits, looking at every frame that has come and at those that come. */
  async until(fits: (frame: ServerFrame) => boolean): Promise<ServerFrame> {
    for (let at = 0; ; await this.more()) {
      for (; at < this.frames.length; at += 1) {
        const frame = this.frames[at];
        if (frame !== undefined && fits(frame)) return frame;
      }
    }
  }

  async untilAuth(state: string): Promise<void> {
    while (!this.authStates.includes(state)) await this.more();
  }

  close(): void {
    this.response.destroy();
  }

  private async more(): Promise<void> {
    if (this.isOver)
      throw new Error(`the stream ended; it brought ${JSON.stringify([...this.authStates, ...this.frames])}`);
    await new Promise<void>((resolve) => this.waiting.push(resolve));
  }

  private async read(): Promise<void> {
    const decoder = new TextDecoder();
    let rest = "";
    try {
      for await (const bytes of this.response) {
        const blocks = (rest + decoder.decode(bytes, { stream: true })).split("\n\n");
        rest = blocks.pop() ?? "";
        for (const block of blocks) this.take(block);
        this.wake();
      }
    } catch {
      // Cut, by the server or by us: `until` says so to who waits.
    }
    this.isOver = true;
    this.wake();
  }

  private take(block: string): void {
    const fields = new Map(
      block
        .split("\n")
        .filter((line) => !line.startsWith(":"))
        .map((line): [string, string] => [line.split(":", 1)[0] ?? "", line.slice(line.indexOf(":") + 1).trim()]),
    );
    const data = fields.get("data");
    if (data === undefined) return;
    const frame = JSON.parse(data) as ServerFrame;
    if (fields.get("event") !== frame.type) throw new Error(`event ${fields.get("event")} carries a ${frame.type}`);
    this.lastEventId = fields.get("id") ?? this.lastEventId;
    if (frame.type === "status" && frame.channel === "auth") this.authStates.push(String(frame.state));
    else this.frames.push(frame);
  }

  private wake(): void {
    for (const go of this.waiting.splice(0)) go();
  }
}
