/**
 * One WebSocket between a device and a server, from the first SYN to the end: two directions that keep their order, and
 * all the ways in which such a thing dies. `sim-socket` is its end at the device, `server` takes the other one in.
 */
import { Channel } from "./channel.ts";
import type { Direction, Line } from "./line.ts";
import type { SimProcess } from "./sim-process.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** What one side hears. */
export interface LinkEnd {
  readonly process: SimProcess;
  readonly hear: (message: Message) => void;
}

export type Message =
  | { readonly kind: "open" }
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "ping" }
  | { readonly kind: "pong" }
  /** The last thing that is heard. */
  | { readonly kind: "close"; readonly code: number; readonly reason: string };

/** No close frame came. */
const abnormal = { kind: "close", code: 1006, reason: "" } as const;
/** What the kernels take before a writer feels a thin line. */
const socketBufferBytes = 16_384;
/** Longer than this nobody's TCP goes on trying. */
const tcpGivesUpMs = 30_000;

export class Link {
  readonly id: number;
  readonly line: Line;
  private readonly time: VirtualTime;
  private readonly ways: Readonly<Record<Direction, Channel>>;
  private readonly ends: Partial<Record<Direction, LinkEnd>> = {};
  /** Whether something can still arrive there. */
  private readonly isDeaf: Record<Direction, boolean> = { up: false, down: false };
  private readonly held: Readonly<Record<Direction, Message[]>> = { up: [], down: [] };
  private busyUntilMs = 0;
  /** The server that takes it. */
  servedBy: string | undefined;
  onDrain: () => void = () => {};

  constructor(id: number, time: VirtualTime, line: Line) {
    this.id = id;
    this.time = time;
    this.line = line;
    this.ways = { up: new Channel(time, `link ${id} up`), down: new Channel(time, `link ${id} down`) };
  }

  /** Who hears what goes in this direction. */
  attach(direction: Direction, end: LinkEnd): void {
    this.ends[direction] = end;
  }

  get isOver(): boolean {
    return this.isDeaf.up && this.isDeaf.down;
  }

  /** Bytes that wait before the thin line. */
  get bufferedBytes(): number {
    const waitingMs = Math.max(0, this.busyUntilMs - this.time.nowMs);
    return Math.max(0, Math.floor(waitingMs * this.line.settings.bytesPerMs) - socketBufferBytes);
  }

  send(direction: Direction, message: Message): void {
    if (this.isDeaf[direction]) return;
    const { line, time } = this;
    let queuedMs = 0;
    if (direction === "down") {
      const bytes = message.kind === "text" ? message.text.length : 0;
      const { bytesPerMs } = line.settings;
      const wasFree = this.bufferedBytes === 0;
      this.busyUntilMs = Math.max(this.busyUntilMs, time.nowMs) + bytes / bytesPerMs;
      queuedMs = this.busyUntilMs - time.nowMs;
      if (wasFree && this.bufferedBytes > 0) this.tellDrained();
      if (message.kind === "text" && --line.framesLeft <= 0) {
        line.framesLeft = Number.POSITIVE_INFINITY;
        return this.cut();
      }
    }
    if (line.silenceMs(direction) > tcpGivesUpMs) return this.vanish();
    this.ways[direction].send(queuedMs + line.latencyMs(), () => this.arrive(direction, message));
  }

  /** RST: both sides hear of it as soon as the network lets them, and nothing else any more. */
  cut(): void {
    for (const direction of ["up", "down"] as const) this.breakOff(direction);
  }

  /** The process at the far end of this direction's source is gone; its kernel says so. */
  breakOff(direction: Direction): void {
    if (this.isDeaf[direction]) return;
    this.isDeaf[direction] = true;
    const silenceMs = this.line.silenceMs(direction);
    this.time.after(silenceMs + this.line.latencyMs(), `link ${this.id} reset`, () => this.tell(direction, abnormal));
  }

  /** Gone without a word: no power, no route. */
  vanish(): void {
    this.isDeaf.up = true;
    this.isDeaf.down = true;
  }

  /** Silence holds back whatever would arrive in it, and TCP lives to see its end. */
  private arrive(direction: Direction, message: Message): void {
    if (this.isDeaf[direction]) return;
    const held = this.held[direction];
    if (held.length === 0 && this.line.silenceMs(direction) === 0) return this.tell(direction, message);
    if (held.push(message) === 1) this.release(direction);
  }

  private release(direction: Direction): void {
    const silenceMs = this.line.silenceMs(direction);
    if (silenceMs > 0) {
      this.time.after(silenceMs, `link ${this.id} speaks`, () => this.release(direction));
      return;
    }
    for (const message of this.held[direction].splice(0)) if (!this.isDeaf[direction]) this.tell(direction, message);
  }

  private tell(direction: Direction, message: Message): void {
    if (message.kind === "close") this.isDeaf[direction] = true;
    const end = this.ends[direction];
    end?.process.enter(`link ${this.id} ${direction}`, () => end.hear(message));
  }

  private tellDrained(): void {
    this.time.after(Math.max(1, this.busyUntilMs - this.time.nowMs), `link ${this.id} drains`, () => {
      if (this.bufferedBytes > 0) this.tellDrained();
      else if (!this.isDeaf.down) this.onDrain();
    });
  }
}
