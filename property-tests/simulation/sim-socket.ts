/** The device's end of a link, as the WebSocket that the real client is given. */
import type { WebSocketLike } from "../../src/client/socket.ts";
import type { Link, Message } from "./link.ts";
import type { SimProcess } from "./sim-process.ts";

interface Listeners {
  readonly open: (() => void)[];
  readonly error: (() => void)[];
  readonly message: ((event: { readonly data: unknown }) => void)[];
  readonly close: ((event: { readonly code: number; readonly reason: string }) => void)[];
}

export class SimSocket implements WebSocketLike {
  private readonly link: Link;
  /** Sees what the device gets, before the client. */
  private readonly received: (text: string) => void;
  private readonly listeners: Listeners = { open: [], error: [], message: [], close: [] };
  private isOpen = false;
  private isOver = false;

  constructor(link: Link, process: SimProcess, received: (text: string) => void) {
    this.link = link;
    this.received = received;
    link.attach("down", { process, hear: (message) => this.hear(message) });
  }

  addEventListener(type: keyof Listeners, listener: never): void {
    (this.listeners[type] as ((event: never) => void)[]).push(listener);
  }

  send(text: string): void {
    if (!this.isOpen || this.isOver) return;
    this.link.send("up", { kind: "text", text });
  }

  close(code = 1005, reason = ""): void {
    if (this.isOver) return;
    this.isOver = true;
    this.link.send("up", { kind: "close", code, reason });
  }

  private hear(message: Message): void {
    if (this.isOver) return;
    switch (message.kind) {
      case "open":
        this.isOpen = true;
        for (const listener of this.listeners.open) listener();
        return;
      case "text":
        this.received(message.text);
        for (const listener of this.listeners.message) listener({ data: message.text });
        return;
      case "ping":
        // Every WebSocket answers by itself.
        this.link.send("up", { kind: "pong" });
        return;
      case "pong":
        return;
      case "close": {
        this.isOver = true;
        const { code, reason } = message;
        for (const listener of this.listeners.close) listener({ code, reason });
      }
    }
  }
}
