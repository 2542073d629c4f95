/**
 * A socket without a network: one end is the runtime's `Transport`, the other a client's. Frames keep their order and
 * arrive a microtask later; either end can die, stop reading, or go silent as a half-open link does.
 */
import { decodeClientFrame } from "../../../protocol/codec.ts";
import { closeCodes } from "../../../protocol/close-codes.ts";
import type { Connection } from "../../runtime/runtime.ts";
import type { BroadcastAuthority, EncodedFrame, Transport } from "../../runtime/transport.ts";

/** What the client's end hears. */
export interface WireEnd {
  readonly opened: () => void;
  readonly text: (text: string) => void;
  readonly closed: (code: number, reason: string) => void;
}

/** What a platform reports when there was no close frame. */
const abnormalClose = 1006;
const utf8 = new TextDecoder();

type Downward = { readonly frame: EncodedFrame } | { readonly code: number; readonly reason: string };

export class Wire implements Transport {
  readonly kind = "websocket";
  private readonly end: WireEnd;
  private readonly onGone: () => void;
  private server: Connection | undefined;
  private readonly down: Downward[] = [];
  private readonly up: string[] = [];
  private isGone = false;
  /** The server has said its last word, which may still be on its way. */
  private isEnding = false;
  private isReading = true;
  private isHeard = true;
  private isFlushing = false;

  constructor(end: WireEnd, onGone: () => void) {
    this.end = end;
    this.onGone = onGone;
  }

  get isOpen(): boolean {
    return this.server !== undefined && !this.isGone;
  }

  get bufferedBytes(): number {
    if (this.isReading) return 0;
    return this.down.reduce((sum, item) => sum + ("frame" in item ? item.frame.bytes.length : 0), 0);
  }

  /** The runtime has taken it in. */
  accepted(connection: Connection): void {
    if (this.isGone) return connection.closed();
    this.server = connection;
    this.end.opened();
    this.flush();
  }

  write(_authority: BroadcastAuthority, frame: EncodedFrame): boolean {
    if (this.isGone || this.isEnding) return false;
    this.down.push({ frame });
    this.flushSoon();
    return true;
  }

  close(_authority: BroadcastAuthority, code: number, reason: string): void {
    if (this.isGone || this.isEnding) return;
    this.isEnding = true;
    this.down.push({ code, reason });
    this.flushSoon();
  }

  /** Answered by the client's end as every WebSocket does by itself, if it reads and can be heard. */
  ping(): void {
    queueMicrotask(() => {
      if (this.isReading && this.isHeard && !this.isGone) this.server?.heard();
    });
  }

  /** One message of the client, as text. */
  send(text: string): void {
    if (this.isGone) return;
    this.up.push(text);
    this.flushSoon();
  }

  /** Nothing more is taken off the wire, and pings stay unanswered: the server's buffer fills. */
  pause(): void {
    this.isReading = false;
  }

  /** Half-open: nothing passes in either direction, and neither end is told. */
  silence(): void {
    this.isReading = false;
    this.isHeard = false;
  }

  /** The inverse of `pause` and `silence`: what waited arrives. */
  resume(): void {
    this.isReading = true;
    this.isHeard = true;
    this.flushSoon();
    this.server?.writable();
  }

  /** The link dies: both ends are told, and what was on its way is lost. */
  cut(): void {
    this.finish(abnormalClose, "");
  }

  /** The server's process died: there is nobody to tell on that side. */
  lose(): void {
    this.server = undefined;
    this.cut();
  }

  /** The client closes: what it has said before arrives. */
  leave(code: number = closeCodes.done): void {
    this.flush();
    this.finish(code, "");
  }

  private finish(code: number, reason: string): void {
    if (this.isGone) return;
    this.isGone = true;
    this.onGone();
    this.server?.closed();
    queueMicrotask(() => this.end.closed(code, reason));
  }

  private flushSoon(): void {
    if (this.isFlushing) return;
    this.isFlushing = true;
    queueMicrotask(() => {
      this.isFlushing = false;
      this.flush();
    });
  }

  private flush(): void {
    while (this.isHeard && this.server && !this.isGone && this.up.length > 0) this.receive(this.up.shift() ?? "");
    while (this.isReading && !this.isGone && this.down.length > 0) {
      const item = this.down.shift();
      if (item === undefined) return;
      if ("frame" in item) this.end.text(utf8.decode(item.frame.bytes));
      else this.finish(item.code, item.reason);
    }
  }

  /** As the gateway does it: through the codec. */
  private receive(text: string): void {
    const decoded = decodeClientFrame(text);
    if (decoded.ok) this.server?.receive(decoded.value);
    else this.server?.malformed(decoded.issue);
  }
}
