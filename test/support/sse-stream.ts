/** A bare reader of `GET /v1/stream`: frames as they come, and what a browser would send to resume. */
import type { ServerFrame } from "../../protocol/frames.ts";
import type { StreamEvent } from "../../protocol/event.ts";

export class SseStream {
  readonly frames: ServerFrame[] = [];
  /** The newest `id:`: the next `Last-Event-ID`. */
  lastEventId: string | undefined;
  private readonly controller: AbortController;
  private waiting: (() => void)[] = [];
  private isOver = false;

  private constructor(controller: AbortController) {
    this.controller = controller;
  }

  /** Fails when the answer is no stream. */
  static async open(url: string, token: string, query = "", headers: Record<string, string> = {}): Promise<SseStream> {
    const controller = new AbortController();
    const response = await fetch(`${url}/v1/stream${query}`, {
      headers: { authorization: `Bearer ${token}`, ...headers },
      signal: controller.signal,
    });
    const { status, body } = response;
    const type = response.headers.get("content-type") ?? "";
    if (status !== 200 || body === null || !type.startsWith("text/event-stream"))
      throw new Error(`no stream: ${status} ${type} ${await response.text()}`);
    const stream = new SseStream(controller);
    void stream.read(body);
    return stream;
  }

  get events(): StreamEvent[] {
    return this.frames.flatMap((frame) => (frame.type === "events" ? frame.events : []));
  }

  /** Until a frame fits, looking at every frame that has come and at those that come. */
  async until(fits: (frame: ServerFrame) => boolean): Promise<ServerFrame> {
    for (let at = 0; ; ) {
      for (; at < this.frames.length; at += 1) {
        const frame = this.frames[at];
        if (frame !== undefined && fits(frame)) return frame;
      }
      if (this.isOver) throw new Error(`the stream ended; it brought ${JSON.stringify(this.frames)}`);
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    }
  }

  close(): void {
    this.controller.abort();
  }

  private async read(body: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    let rest = "";
    try {
      for await (const bytes of body) {
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
    this.frames.push(frame);
  }

  private wake(): void {
    for (const go of this.waiting.splice(0)) go();
  }
}
