/** The server's end of a link, as the transport that the runtime writes to; what comes in goes where the gateway sends it. */
import { decodeClientFrame } from "../../protocol/codec.ts";
import type { Connection } from "../../src/runtime/runtime.ts";
import type { BroadcastAuthority, EncodedFrame, Transport } from "../../src/runtime/transport.ts";
import type { Link, Message } from "./link.ts";

const utf8 = new TextDecoder();

/** Sees what the server hands over and hears, beside the runtime. */
export interface ServerTap {
  readonly handedOver: (frame: string, bytes: number) => void;
  readonly heard: (text: string) => void;
  readonly ended: (reason: string) => void;
}

export class SimTransport implements Transport {
  readonly kind = "websocket";
  private readonly link: Link;
  private readonly tap: ServerTap;
  private connection: Connection | undefined;
  private isOver = false;

  constructor(link: Link, tap: ServerTap) {
    this.link = link;
    this.tap = tap;
  }

  /** The upgrade is done: from here on frames travel. */
  attach(connection: Connection): void {
    this.connection = connection;
    this.link.onDrain = () => this.connection?.writable();
    this.link.send("down", { kind: "open" });
  }

  get bufferedBytes(): number {
    return this.link.bufferedBytes;
  }

  write(_authority: BroadcastAuthority, frame: EncodedFrame): boolean {
    if (this.isOver) return false;
    const text = utf8.decode(frame.bytes);
    this.tap.handedOver(text, frame.bytes.length);
    this.link.send("down", { kind: "text", text });
    return true;
  }

  close(_authority: BroadcastAuthority, code: number, reason: string): void {
    if (this.isOver) return;
    this.isOver = true;
    this.tap.ended(reason);
    // Who ends it knows that it is gone.
    this.connection = undefined;
    this.link.send("down", { kind: "close", code, reason });
  }

  ping(_authority: BroadcastAuthority): void {
    if (!this.isOver) this.link.send("down", { kind: "ping" });
  }

  hear(message: Message): void {
    const { connection } = this;
    if (connection === undefined) return;
    switch (message.kind) {
      case "text": {
        this.tap.heard(message.text);
        const decoded = decodeClientFrame(message.text);
        if (decoded.ok) connection.receive(decoded.value);
        else connection.malformed(decoded.issue);
        return;
      }
      case "ping":
      case "pong":
        return connection.heard();
      case "close":
        this.isOver = true;
        this.connection = undefined;
        return connection.closed();
      case "open":
    }
  }
}
