/**
 * One WebSocket for one attempt. Once it was left or has closed, nothing of it is heard any more: a late event of an
 * old socket cannot touch the new connection (LESSONS 25, 37).
 */
import type { ClientFrame } from "../../protocol/frames.ts";

/** The part of the standard WebSocket that is used: the browser's, Node's own, or one that you bring. */
export interface WebSocketLike {
  send(text: string): void;
  close(code?: number, reason?: string): void;
  addEventListener(type: "open" | "error", listener: () => void): void;
  addEventListener(type: "message", listener: (event: { readonly data: unknown }) => void): void;
  addEventListener(type: "close", listener: (event: { readonly code: number; readonly reason: string }) => void): void;
}
export type WebSocketConstructor = new (url: string, protocols: string[]) => WebSocketLike;

export interface SocketEvents {
  readonly opened: () => void;
  readonly text: (text: string) => void;
  readonly closed: (code: number, reason: string) => void;
}

const subprotocol = "runcast.v1";
/** What a platform reports when there was no close frame. */
export const abnormalClose = 1006;

export class Socket {
  readonly #socket: WebSocketLike;
  #isOpen = false;
  #isLeft = false;

  /** `Fails` as the platform's constructor does, for an address it does not take. */
  constructor(Constructor: WebSocketConstructor, url: string, events: SocketEvents) {
    const socket = new Constructor(url, [subprotocol]);
    this.#socket = socket;
    socket.addEventListener("open", () => {
      // Closing one that is still opening does not stop it everywhere.
      if (this.#isLeft) return socket.close();
      this.#isOpen = true;
      events.opened();
    });
    socket.addEventListener("message", ({ data }) => {
      // The contract is text: bytes become a text that no decoder takes.
      if (!this.#isLeft) events.text(typeof data === "string" ? data : "");
    });
    // Without a listener some implementations throw; the close that follows says it all.
    socket.addEventListener("error", () => {});
    socket.addEventListener("close", ({ code, reason }) => {
      if (this.#isLeft) return;
      this.#isLeft = true;
      events.closed(code, reason);
    });
  }

  /** Hands a frame to the platform; false when there is no open socket to take it. */
  send(frame: ClientFrame): boolean {
    if (!this.#isOpen || this.#isLeft) return false;
    this.#socket.send(JSON.stringify(frame));
    return true;
  }

  /** Closes and hears no more. Without a code: as a dying link would. */
  leave(code?: number): void {
    if (this.#isLeft) return;
    this.#isLeft = true;
    if (code === undefined) this.#socket.close();
    else this.#socket.close(code);
  }
}
