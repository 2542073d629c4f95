/**
 * A device as the contract describes one: it says hello with its cursor, hands events to its application one by one,
 * acknowledges what it has handed over, and may be cut at any moment. It repairs nothing: what the server sends is what
 * the application gets, and what breaks a law on the way is written down.
 */
import type { EventsFrame, HelloFrame } from "../../protocol/frames.ts";
import type { Cursor } from "../../protocol/ids.ts";
import type { Connection } from "../../src/runtime/runtime.ts";
import { RecordingTransport } from "../../test/support/runtime-under-test.ts";
import type { SeenEvent } from "./model.ts";

export interface Line {
  readonly transport: RecordingTransport;
  readonly connection: Connection;
}

export class Device {
  readonly user: string;
  readonly hello: Omit<HelloFrame, "type" | "cursor" | "token">;
  /** What the application got, in order. */
  readonly app: SeenEvent[] = [];
  /** Every range that a frame claimed to cover, with what came in it. */
  readonly frames: EventsFrame[] = [];
  /** Where ranges did not meet, or something undeclared came (L4). */
  readonly holes: string[] = [];
  /** How often a frame was cut in the middle, and how often it came back. */
  cuts = 0;
  resumes = 0;
  /** Acknowledged on the line that is open now. */
  ackedUpto = 0;
  private cursor: Cursor | undefined;
  private line: Line | undefined;
  private read = 0;
  private within = 0;
  private isMet = false;
  private covered = 0;

  constructor(user: string, hello: Device["hello"]) {
    this.user = user;
    this.hello = hello;
  }

  get isConnected(): boolean {
    return this.line !== undefined && this.line.transport.ended === undefined;
  }

  get transport(): RecordingTransport | undefined {
    return this.line?.transport;
  }

  /** Frames that wait to be handled. */
  get isBehind(): boolean {
    return this.isConnected && this.read < (this.line?.transport.frames.length ?? 0);
  }

  async connect(open: (transport: RecordingTransport) => Promise<Connection>): Promise<void> {
    if (this.isConnected) return;
    this.cut();
    const transport = new RecordingTransport();
    const connection = await open(transport);
    transport.onPing = () => connection.heard();
    this.line = { transport, connection };
    this.read = 0;
    this.within = 0;
    this.isMet = false;
    this.covered = this.cursor?.offset ?? 0;
    this.ackedUpto = this.covered;
    if (this.cursor) this.resumes += 1;
    const place = this.cursor ? { cursor: this.cursor } : { from: "start" as const };
    connection.receive({ type: "hello", token: this.user, ...this.hello, ...place });
  }

  /** Hands at most so many events to the application. */
  handle(maxEvents: number): void {
    if (!this.isConnected) return;
    let left = maxEvents;
    const frames = this.line?.transport.frames ?? [];
    for (let frame = frames[this.read]; frame !== undefined; frame = frames[this.read]) {
      if (frame.type === "welcome") this.cursor ??= { epoch: frame.epoch, offset: 0 };
      else if (frame.type === "gap" || frame.type === "snapshot") this.holes.push(`a ${frame.type} nobody asked for`);
      else if (frame.type === "events") {
        if (!this.isMet) this.meet(frame);
        while (this.within < frame.events.length) {
          if (left === 0) return;
          left -= 1;
          const event = frame.events[this.within];
          if (event) this.app.push(event);
          this.within += 1;
          this.moveTo(event?.offset ?? 0);
        }
        this.moveTo(frame.upto);
      }
      this.within = 0;
      this.isMet = false;
      this.read += 1;
    }
  }

  ack(): void {
    if (!this.isConnected || this.cursor === undefined) return;
    this.ackedUpto = this.cursor.offset;
    this.line?.connection.receive({ type: "ack", offset: this.cursor.offset });
  }

  /** The network is gone, and everything that the application has not been given. */
  cut(): void {
    if (this.line === undefined) return;
    if (this.within > 0) this.cuts += 1;
    this.line.transport.gone = true;
    this.line.connection.closed();
    this.line = undefined;
  }

  private meet(frame: EventsFrame): void {
    if (frame.after !== this.covered) this.holes.push(`after ${frame.after} where ${this.covered} was covered`);
    if (frame.upto < frame.after) this.holes.push(`a range from ${frame.after} back to ${frame.upto}`);
    this.isMet = true;
    this.covered = frame.upto;
    this.frames.push(frame);
  }

  private moveTo(offset: number): void {
    if (this.cursor) this.cursor = { ...this.cursor, offset };
  }
}
