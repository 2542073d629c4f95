import { describe, expect, it } from "vitest";
import type { ServerResponse } from "node:http";
import { Socket } from "node:net";
import type { Writable } from "node:stream";
import * as ws from "ws";
import { PendingSockets } from "../../src/gateway/pending-sockets.ts";
import { SseTransport } from "../../src/gateway/sse-transport.ts";
import { textFrameBytes, WebSocketTransport } from "../../src/gateway/websocket-transport.ts";
import { BroadcastAuthority } from "../../src/runtime/transport.ts";

/** The package exports its parser; its types do not. */
const { Receiver } = ws as unknown as { readonly Receiver: new (options: { readonly isServer: boolean }) => Writable };

/** What a WebSocket implementation reads from wire bytes: the one of `ws`, on the client's side. */
function read(wire: Buffer): Promise<{ text: string; isBinary: boolean }> {
  return new Promise((resolve, reject) => {
    const receiver = new Receiver({ isServer: false });
    receiver.on("message", (data: Buffer, isBinary: boolean) => resolve({ text: data.toString("utf8"), isBinary }));
    receiver.on("error", reject);
    receiver.write(wire);
  });
}

describe("a frame on the wire", () => {
  it.each([0, 1, 125, 126, 127, 65_535, 65_536, 1_000_000])("of %i bytes is what RFC 6455 says", async (length) => {
    const text = "a".repeat(length);
    expect(await read(textFrameBytes(Buffer.from(text)))).toEqual({ text, isBinary: false });
  });

  it("leaves the payload as it was", () => {
    const payload = Buffer.from("héllo");
    textFrameBytes(payload);
    expect(payload.toString("utf8")).toBe("héllo");
  });
});

describe("a transport (L12)", () => {
  const frame = { name: "events", bytes: Buffer.from("{}") };
  it.each<[string, unknown]>([
    ["nothing", undefined],
    ["null", null],
    ["an object that looks like one", { isMinted: true }],
    ["an heir of its prototype", Object.create(BroadcastAuthority.prototype)],
    ["its class", BroadcastAuthority],
  ])("writes, closes and pings for nobody who shows %s", (_, shown) => {
    const authority = shown as BroadcastAuthority;
    const response = { writableEnded: false, destroyed: false, write: () => true, end: () => {} };
    for (const transport of [
      new WebSocketTransport(new Socket(), new PendingSockets()),
      new SseTransport(response as unknown as ServerResponse),
    ]) {
      expect(() => transport.write(authority, frame)).toThrow("only the supervisor");
      expect(() => transport.close(authority, 1_000, "")).toThrow("only the supervisor");
      expect(() => transport.ping(authority)).toThrow("only the supervisor");
    }
  });
});
