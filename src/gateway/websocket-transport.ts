/**
 * The way out over a WebSocket: the hot path of delivery. A frame becomes wire bytes once for all tabs that get it,
 * and frames of one turn of the event loop leave in one write. Only the supervisor can call it (L12).
 */
import type { Socket } from "node:net";
import type { WebSocket } from "ws";
import { isAccessOver } from "../../protocol/close-codes.ts";
import { atEndOfTurn } from "../platform/turn.ts";
import type { Connection } from "../runtime/runtime.ts";
import type { BroadcastAuthority, EncodedFrame, Transport } from "../runtime/transport.ts";
import { requireAuthority } from "../runtime/transport.ts";
import type { PendingSockets } from "./pending-sockets.ts";

/** RFC 6455 §5.2: FIN and the text opcode; never masked, never compressed. */
const textFrame = 0x81;
const maxShortLength = 125;
const maxMediumLength = 65_535;
const mediumLength = 126;
const longLength = 127;
const shortHeaderBytes = 2;
const mediumHeaderBytes = 4;
const longHeaderBytes = 10;
/** RFC 6455 §5.5: control frames hold 125 bytes, two of which are the code. */
const maxReasonBytes = 123;

/** Answers that may wait unread before no more questions are read. Events have a window of their own. */
export const maxAnswerBytes = 65_536;
/** The frames of a stream; every other one answers something, or tells something beside it. */
const streamFrames: ReadonlySet<string> = new Set(["events", "snapshot", "gap"]);

/** `payload` as one WebSocket text frame. */
export function textFrameBytes(payload: Uint8Array): Buffer {
  const { length } = payload;
  const headerBytes =
    length <= maxShortLength ? shortHeaderBytes : length <= maxMediumLength ? mediumHeaderBytes : longHeaderBytes;
  const wire = Buffer.allocUnsafe(headerBytes + length);
  wire[0] = textFrame;
  if (length <= maxShortLength) wire[1] = length;
  else if (length <= maxMediumLength) {
    wire[1] = mediumLength;
    wire.writeUInt16BE(length, 2);
  } else {
    wire[1] = longLength;
    wire.writeUInt32BE(0, 2);
    wire.writeUInt32BE(length, 6);
  }
  wire.set(payload, headerBytes);
  return wire;
}

/** The last frame on the wire: a frame goes to all tabs of a user one after the other. */
let lastFrame: EncodedFrame | undefined;
let lastWire: Buffer = Buffer.alloc(0);

function wireOf(frame: EncodedFrame): Buffer {
  if (frame !== lastFrame) {
    lastWire = textFrameBytes(frame.bytes);
    lastFrame = frame;
  }
  return lastWire;
}

/** Sockets that hold frames back until the end of this turn. */
let corked: Socket[] = [];

function uncorkAll(): void {
  const sockets = corked;
  corked = [];
  for (const socket of sockets) socket.uncork();
  lastFrame = undefined;
}

function corkForThisTurn(socket: Socket): void {
  if (socket.writableCorked > 0) return;
  socket.cork();
  if (corked.length === 0) atEndOfTurn(uncorkAll);
  corked.push(socket);
}

export class WebSocketTransport implements Transport {
  readonly kind = "websocket";
  private readonly socket: Socket;
  private readonly pending: PendingSockets;
  private webSocket: WebSocket | undefined;
  connection: Connection | undefined;
  /** Its user is known, and was told so. */
  isWelcome = false;
  private waitsForDrain = false;
  private isEnding = false;
  /** Since the socket was empty last. */
  private answerBytes = 0;

  constructor(socket: Socket, pending: PendingSockets) {
    this.socket = socket;
    this.pending = pending;
  }

  /** The upgrade is done: from here on frames travel. */
  attach(webSocket: WebSocket, connection: Connection): void {
    this.webSocket = webSocket;
    this.connection = connection;
  }

  /** Frames of the other side still count. */
  get isOpen(): boolean {
    return !this.isEnding && this.webSocket?.readyState === this.webSocket?.OPEN;
  }

  get bufferedBytes(): number {
    return this.socket.writableLength;
  }

  write(authority: BroadcastAuthority, frame: EncodedFrame): boolean {
    requireAuthority(authority);
    const { socket } = this;
    if (!this.isOpen || !socket.writable) return false;
    if (frame.name === "welcome") {
      this.isWelcome = true;
      this.pending.leave(socket);
    }
    corkForThisTurn(socket);
    const wire = wireOf(frame);
    if (!socket.write(wire)) this.awaitDrain();
    if (!streamFrames.has(frame.name)) this.countAnswer(wire.length);
    return true;
  }

  /** Answers a ping of the other side. */
  pong(data: Buffer): void {
    this.webSocket?.pong(data);
    this.countAnswer(shortHeaderBytes + data.length);
  }

  close(authority: BroadcastAuthority, code: number, reason: string): void {
    requireAuthority(authority);
    // Who ends it knows that it is gone.
    this.connection = undefined;
    this.end(code, reason);
  }

  /** The other side has gone, or is as good as gone: the runtime hears of it, once. */
  gone(): void {
    const { connection } = this;
    this.connection = undefined;
    connection?.closed();
  }

  ping(authority: BroadcastAuthority): void {
    requireAuthority(authority);
    if (this.isOpen) this.webSocket?.ping();
  }

  private awaitDrain(): void {
    if (this.waitsForDrain) return;
    this.waitsForDrain = true;
    this.socket.once("drain", () => {
      this.waitsForDrain = false;
      if (this.webSocket?.isPaused) this.webSocket.resume();
      if (this.isOpen) this.connection?.writable();
    });
  }

  /** Who asks and does not read is not heard until it has read; its pings unanswered, the heartbeat ends it (L11). */
  private countAnswer(bytes: number): void {
    const { socket, webSocket } = this;
    this.answerBytes = socket.writableLength <= bytes ? bytes : this.answerBytes + bytes;
    if (this.answerBytes <= maxAnswerBytes || !socket.writableNeedDrain) return;
    webSocket?.pause();
    this.awaitDrain();
  }

  private end(code: number, reason: string): void {
    if (this.isEnding) return;
    this.isEnding = true;
    // Who may not read on gets nothing of what still waits for a slow reader.
    if (isAccessOver(code) && this.socket.writableNeedDrain) {
      this.socket.destroy();
      return;
    }
    let text = reason;
    while (Buffer.byteLength(text) > maxReasonBytes) text = text.slice(0, -1).toWellFormed();
    if (this.webSocket) this.webSocket.close(code, text);
    else this.socket.destroy();
  }
}
