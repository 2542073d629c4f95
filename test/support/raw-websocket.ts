/**
 * A WebSocket as bytes on a TCP socket, for who says more than a decent client can: the handshake, masked text frames
 * ready to be written a million at once, and the code of the close that comes back.
 */
import { once } from "node:events";
import type { Socket } from "node:net";
import { connect } from "node:net";

const textOpcode = 0x1;
const closeOpcode = 0x8;
const fin = 0x80;
const masked = 0x80;
const opcodeBits = 0x0f;
const lengthBits = 0x7f;
const maxShortLength = 125;
const mediumLength = 126;
const longLength = 127;

/** One text frame as a client sends it, under a mask of zeros. Short texts only. */
export function maskedText(text: string): Buffer {
  const payload = Buffer.from(text);
  if (payload.length > maxShortLength) throw new Error("only short texts");
  return Buffer.concat([Buffer.from([fin | textOpcode, masked | payload.length, 0, 0, 0, 0]), payload]);
}

/** The first close code in what a server has said, if it has said one. */
function closeCodeIn(bytes: Buffer): number | undefined {
  for (let at = 0; at + 2 <= bytes.length; ) {
    const opcode = (bytes[at] ?? 0) & opcodeBits;
    let length = (bytes[at + 1] ?? 0) & lengthBits;
    let header = 2;
    if (length === mediumLength) {
      if (at + 4 > bytes.length) return undefined;
      length = bytes.readUInt16BE(at + 2);
      header = 4;
    } else if (length === longLength) {
      if (at + 10 > bytes.length) return undefined;
      length = Number(bytes.readBigUInt64BE(at + 2));
      header = 10;
    }
    if (opcode === closeOpcode) return at + header + 2 <= bytes.length ? bytes.readUInt16BE(at + header) : undefined;
    at += header + length;
  }
  return undefined;
}

export interface RawWebSocket {
  readonly socket: Socket;
  /** All that the server has said since the upgrade; what is JSON in it can be read. */
  said(): string;
  /** Resolves when the socket is closed, with the code that the server gave before. */
  readonly ended: Promise<number | undefined>;
}

/** Upgrades `/v1/ws` with the token in the header. */
export async function rawWebSocket(url: string, token: string): Promise<RawWebSocket> {
  const { hostname, port, host } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.on("error", () => {});
  socket.write(
    [
      "GET /v1/ws HTTP/1.1",
      `Host: ${host}`,
      "Connection: Upgrade",
      "Upgrade: websocket",
      "Sec-WebSocket-Version: 13",
      `Sec-WebSocket-Key: ${Buffer.alloc(16, 1).toString("base64")}`,
      "Sec-WebSocket-Protocol: runcast.v1",
      `Authorization: Bearer ${token}`,
      "",
      "",
    ].join("\r\n"),
  );
  const [answer] = (await once(socket, "data")) as [Buffer];
  if (!answer.toString("latin1").startsWith("HTTP/1.1 101"))
    throw new Error(`no upgrade: ${answer.toString("latin1")}`);
  const said: Buffer[] = [];
  socket.on("data", (bytes: Buffer) => said.push(bytes));
  const ended = new Promise<number | undefined>((resolve) =>
    socket.once("close", () => resolve(closeCodeIn(Buffer.concat(said)))),
  );
  return { socket, ended, said: () => Buffer.concat(said).toString("utf8") };
}
