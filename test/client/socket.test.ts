import { describe, expect, it } from "vitest";
import { Socket } from "../../src/client/socket.ts";

/** A platform whose socket goes on talking after it was closed, as some do. */
class TalkativeWebSocket extends EventTarget {
  static last: TalkativeWebSocket | undefined;
  readonly said: unknown[] = [];

  constructor(url: string, protocols: string[]) {
    super();
    this.said.push([url, ...protocols]);
    TalkativeWebSocket.last = this;
  }
  send(text: string): void {
    this.said.push(text);
  }
  close(code?: number): void {
    this.said.push(code ?? "close");
  }
  emit(type: string, fields: object = {}): void {
    this.dispatchEvent(Object.assign(new Event(type), fields));
  }
}

function talkative() {
  const heard: unknown[] = [];
  const socket = new Socket(TalkativeWebSocket as never, "ws://a.example/v1/ws", {
    opened: () => heard.push("opened"),
    text: (text) => heard.push(text),
    closed: (code) => heard.push(code),
  });
  const platform = TalkativeWebSocket.last;
  if (platform === undefined) throw new Error("the platform's socket was not made");
  return { socket, platform, heard };
}

describe("socket", () => {
  it("speaks the contract's subprotocol, and only while it is open", () => {
    const { socket, platform, heard } = talkative();
    expect(socket.send({ type: "ping" })).toBe(false);
    platform.emit("open");
    expect(socket.send({ type: "ping" })).toBe(true);
    platform.emit("message", { data: "{}" });
    platform.emit("close", { code: 1012, reason: "" });
    expect(socket.send({ type: "ping" })).toBe(false);
    expect(platform.said).toEqual([["ws://a.example/v1/ws", "runcast.v1"], '{"type":"ping"}']);
    expect(heard).toEqual(["opened", "{}", 1012]);
  });

  it("reports nothing of a socket that was left, whatever comes late (LESSON 25)", () => {
    const { socket, platform, heard } = talkative();
    platform.emit("open");
    socket.leave();
    platform.emit("message", { data: '{"type":"events"}' });
    platform.emit("close", { code: 4403, reason: "" });
    expect(heard).toEqual(["opened"]);
    expect(socket.send({ type: "ping" })).toBe(false);
  });

  it("closes one that opens after it was left", () => {
    const { socket, platform, heard } = talkative();
    socket.leave(1000);
    platform.emit("open");
    expect(heard).toEqual([]);
    expect(platform.said.slice(1)).toEqual([1000, "close"]);
  });

  it("turns bytes into a text that no decoder takes, and survives an error event", () => {
    const { platform, heard } = talkative();
    platform.emit("open");
    platform.emit("error");
    platform.emit("message", { data: new ArrayBuffer(4) });
    expect(heard).toEqual(["opened", ""]);
  });
});
