/** A bare WebSocket client whose frames can be awaited one by one, and whose end can be read. */
import type { ClientOptions } from "ws";
import { WebSocket } from "ws";
import type { ServerFrame } from "../../../protocol/frames.ts";

export interface Ended {
  readonly code: number;
  readonly reason: string;
}

export interface TestSocket {
  readonly raw: WebSocket;
  /** All but what `authStates` keeps. */
  readonly frames: ServerFrame[];
  /** What `status` said of the credential: beside the stream, and apart from it. */
  readonly authStates: string[];
  /** The next frame that nobody has taken. */
  next(): Promise<ServerFrame>;
  /** The next frame of this type; those before it are dropped. */
  nextOf<Type extends ServerFrame["type"]>(type: Type): Promise<Extract<ServerFrame, { type: Type }>>;
  send(frame: unknown): void;
  readonly ended: Promise<Ended>;
  close(): Promise<Ended>;
}

export interface Refused {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: ReturnType<typeof JSON.parse>;
}

const wsUrl = (base: string, path: string): string => `${base.replace("http", "ws")}${path}`;

export interface OpenOptions extends ClientOptions {
  readonly path?: string;
  readonly protocols?: readonly string[];
}

const defaultProtocols = ["runcast.v1"];

/** Opens a socket, or fails with how it was refused. */
export function openSocket(base: string, options: OpenOptions = {}): Promise<TestSocket> {
  const { path = "/v1/ws", protocols = defaultProtocols, ...rest } = options;
  const raw = new WebSocket(wsUrl(base, path), [...protocols], rest);
  const frames: ServerFrame[] = [];
  const authStates: string[] = [];
  const waiting: ((frame: ServerFrame) => void)[] = [];
  let taken = 0;
  raw.on("message", (data: Buffer) => {
    const frame: ServerFrame = JSON.parse(data.toString("utf8"));
    if (frame.type === "status" && frame.channel === "auth") {
      authStates.push(frame.state ?? "");
      return;
    }
    frames.push(frame);
    while (waiting.length > 0 && taken < frames.length) {
      const frame = frames[taken];
      taken += 1;
      if (frame) waiting.shift()?.(frame);
    }
  });
  const ended = new Promise<Ended>((resolve) => {
    raw.on("close", (code, reason) => resolve({ code, reason: String(reason) }));
  });
  const next = (): Promise<ServerFrame> => {
    const frame = frames[taken];
    if (frame !== undefined) {
      taken += 1;
      return Promise.resolve(frame);
    }
    return new Promise((resolve, reject) => {
      waiting.push(resolve);
      void ended.then(({ code, reason }) =>
        reject(new Error(`it closed while a frame was awaited: ${code} ${reason}`)),
      );
    });
  };
  const socket: TestSocket = {
    raw,
    frames,
    authStates,
    next,
    nextOf: async <Type extends ServerFrame["type"]>(type: Type) => {
      for (;;) {
        const frame = await next();
        if (frame.type === type) return frame as Extract<ServerFrame, { type: Type }>;
      }
    },
    send: (frame) => raw.send(typeof frame === "string" || Buffer.isBuffer(frame) ? frame : JSON.stringify(frame)),
    ended,
    close: () => {
      raw.close();
      return ended;
    },
  };
  return new Promise((resolve, reject) => {
    raw.on("open", () => resolve(socket));
    raw.on("error", reject);
    raw.on("unexpected-response", (_, response) => {
      let text = "";
      response.on("data", (chunk) => {
        text += String(chunk);
      });
      response.on("end", () =>
        reject({
          status: response.statusCode,
          headers: response.headers,
          body: text === "" ? undefined : JSON.parse(text),
        }),
      );
    });
  });
}

/** How an upgrade was refused; an error when it was not. */
export async function refusedSocket(base: string, options: OpenOptions = {}): Promise<Refused> {
  let socket: TestSocket;
  try {
    socket = await openSocket(base, options);
  } catch (cause) {
    if (typeof cause === "object" && cause !== null && "status" in cause) return cause as Refused;
    throw cause;
  }
  await socket.close();
  throw new Error("the upgrade was taken");
}

/** Opens a socket with a header token and says hello. */
export async function hello(base: string, token: string, more: Record<string, unknown> = {}): Promise<TestSocket> {
  const socket = await openSocket(base, { headers: { authorization: `Bearer ${token}` } });
  socket.send({ type: "hello", ...more });
  return socket;
}
