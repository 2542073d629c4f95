import { describe, expect, it } from "vitest";
import type { Writable } from "node:stream";
import * as ws from "ws";
import { textFrameBytes } from "../../src/gateway/websocket-transport.ts";

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
