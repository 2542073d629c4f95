/** The way out over SSE: the same frames as on the socket, each with the id that a browser sends back to resume. */
import type { ServerResponse } from "node:http";
import { isAccessOver } from "../../protocol/close-codes.ts";
import { decodeServerFrame } from "../../protocol/server-frame.ts";
import type { Connection } from "../runtime/runtime.ts";
import type { BroadcastAuthority, EncodedFrame, Transport } from "../runtime/transport.ts";
import { requireAuthority } from "../runtime/transport.ts";

const lineEnd = Buffer.from("\n\n");

export class SseTransport implements Transport {
  readonly kind = "sse";
  private readonly response: ServerResponse;
  private connection: Connection | undefined;
  /** Learnt from `welcome`: with it, frames of the stream bear an id. */
  private epoch: string | undefined;
  private waitsForDrain = false;

  constructor(response: ServerResponse) {
    this.response = response;
  }

  attach(connection: Connection): void {
    this.connection = connection;
  }

  get bufferedBytes(): number {
    return this.response.writableLength;
  }

  write(authority: BroadcastAuthority, frame: EncodedFrame): boolean {
    requireAuthority(authority);
    if (!this.isOpen) return false;
    if (frame.name === "welcome") this.learnEpoch(frame);
    const id = frame.upto === undefined || this.epoch === undefined ? "" : `id: ${this.epoch}:${frame.upto}\n`;
    this.hand(Buffer.concat([Buffer.from(`event: ${frame.name}\n${id}data: `), frame.bytes, lineEnd]));
    return true;
  }

  close(authority: BroadcastAuthority, code: number, reason: string): void {
    requireAuthority(authority);
    this.connection = undefined;
    if (!this.isOpen) return;
    // Who may not read on gets nothing of what still waits for a slow reader.
    if (isAccessOver(code) && this.response.writableNeedDrain) {
      this.response.destroy();
      return;
    }
    // A stream has no close code; a comment tells whoever reads along.
    this.response.end(`: closed ${code} ${reason.replaceAll(/[\r\n]/g, " ")}\n\n`);
  }

  /** The other side can only be heard by its silence: comments keep the line open instead. */
  ping(authority: BroadcastAuthority): void {
    requireAuthority(authority);
    this.comment();
  }

  /** Keeps proxies from taking the line for dead. */
  comment(): void {
    if (this.isOpen) this.hand(": \n\n");
  }

  /** The other side has gone: the runtime hears of it, once. */
  gone(): void {
    const { connection } = this;
    this.connection = undefined;
    connection?.closed();
  }

  get isOpen(): boolean {
    return !this.response.writableEnded && !this.response.destroyed;
  }

  private learnEpoch(frame: EncodedFrame): void {
    const decoded = decodeServerFrame(Buffer.from(frame.bytes).toString("utf8"));
    if (decoded.ok && decoded.value?.type === "welcome") this.epoch = decoded.value.epoch;
  }

  private hand(chunk: Buffer | string): void {
    if (this.response.write(chunk) || this.waitsForDrain) return;
    this.waitsForDrain = true;
    this.response.once("drain", () => {
      this.waitsForDrain = false;
      this.connection?.writable();
    });
  }
}
