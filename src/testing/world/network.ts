/**
 * Everything between clients and the process that serves now: who dials gets a wire to it, and a test can cut the
 * wires of a user, or keep the user off the network.
 */
import * as Effect from "effect/Effect";
import type { WebSocketConstructor, WebSocketLike } from "../../client/socket.ts";
import type { RuntimeService } from "../../runtime/runtime.ts";
import { Wire, type WireEnd } from "./wire.ts";

/** What a test can do to the network. Without a user: to everybody's. */
export interface NetworkFaults {
  /** Every connection dies, as with a network that goes; clients are free to come back. */
  cut(userId?: string): void;
  /** While offline, connections are cut and none can be made. */
  setOffline(isOffline: boolean, userId?: string): void;
  /** While silent, links are half-open: nothing passes, neither side is told, and no new one comes about. */
  setSilent(isSilent: boolean, userId?: string): void;
}

const everybody = "";

export class Network implements NetworkFaults {
  private readonly wires = new Map<Wire, string>();
  private readonly offline = new Set<string>();
  private readonly silent = new Set<string>();
  private service: RuntimeService | undefined;

  /** From now on this process answers; undefined: none does, and every wire dies with the one that did. */
  serve(service: RuntimeService | undefined): void {
    if (service === undefined) for (const wire of [...this.wires.keys()]) wire.lose();
    this.service = service;
  }

  dial(userId: string, end: WireEnd): Wire {
    const wire = new Wire(end, () => this.wires.delete(wire));
    this.wires.set(wire, userId);
    const { service } = this;
    if (this.silent.has(userId) || this.silent.has(everybody)) return wire;
    if (service === undefined || this.offline.has(userId) || this.offline.has(everybody)) {
      queueMicrotask(() => wire.cut());
      return wire;
    }
    Effect.runPromise(service.open({ transport: wire })).then(
      (connection) => wire.accepted(connection),
      // Before the upgrade this is an HTTP answer, of which a platform's WebSocket shows nothing.
      () => wire.cut(),
    );
    return wire;
  }

  cut(userId: string = everybody): void {
    for (const wire of this.wiresOf(userId)) wire.cut();
  }

  setOffline(isOffline: boolean, userId: string = everybody): void {
    if (!isOffline) return void this.offline.delete(userId);
    this.offline.add(userId);
    this.cut(userId);
  }

  setSilent(isSilent: boolean, userId: string = everybody): void {
    if (isSilent) this.silent.add(userId);
    else this.silent.delete(userId);
    for (const wire of this.wiresOf(userId)) {
      if (isSilent) wire.silence();
      else if (wire.isOpen) wire.resume();
      else wire.cut();
    }
  }

  private wiresOf(userId: string): readonly Wire[] {
    return [...this.wires].flatMap(([wire, owner]) => (userId === everybody || owner === userId ? [wire] : []));
  }

  /** A `WebSocket` for `runcast/client` whose sockets are wires of this user. */
  webSocketOf(userId: string): WebSocketConstructor {
    const dial = (end: WireEnd): Wire => this.dial(userId, end);
    return class MemoryWebSocket extends EventSocket implements WebSocketLike {
      constructor() {
        super(dial);
      }
    };
  }
}

type Listener = (event: { readonly data?: unknown; readonly code: number; readonly reason: string }) => void;

/** The part of a platform's WebSocket that our client uses, over a wire. */
class EventSocket {
  private readonly listeners: { readonly type: string; readonly listener: Listener }[] = [];
  private readonly wire: Wire;

  constructor(dial: (end: WireEnd) => Wire) {
    this.wire = dial({
      opened: () => this.emit("open", {}),
      text: (data) => this.emit("message", { data }),
      closed: (code, reason) => this.emit("close", { code, reason }),
    });
  }

  send(text: string): void {
    this.wire.send(text);
  }

  close(code?: number): void {
    this.wire.leave(code);
  }

  addEventListener(type: string, listener: (event: never) => void): void {
    this.listeners.push({ type, listener: listener as Listener });
  }

  private emit(type: string, { data, code = 0, reason = "" }: Partial<Parameters<Listener>[0]>): void {
    for (const each of this.listeners) if (each.type === type) each.listener({ data, code, reason });
  }
}
