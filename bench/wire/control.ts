/**
 * The line between the load and a server: NDJSON over a loopback socket, so that counting what clients received
 * costs every server the same.
 */
import { createServer, connect } from "node:net";
import type { Socket } from "node:net";
import type { Traffic } from "./traffic.ts";
import type { Arriving, Saying, Work } from "./workload.ts";

export type Order =
  | { readonly do: "publish"; readonly work: Work }
  /** So many runs for each, whoever reads them. */
  | { readonly do: "fill"; readonly users: readonly string[]; readonly runsPerUser: number }
  /** One run for each of them in this time, again and again. */
  | { readonly do: "background"; readonly users: readonly string[]; readonly everyMs: number }
  | { readonly do: "received"; readonly runs: Readonly<Record<string, number>> }
  /** Batches of one open run each, every one awaited before the next. */
  | { readonly do: "say"; readonly saying: Saying }
  /** Runs that begin at random, as users ask for them, and speak slowly. */
  | { readonly do: "arrive"; readonly arriving: Arriving }
  | { readonly do: "memory" }
  | { readonly do: "figures" }
  | { readonly do: "exit" };

/** What a process has used since it began. */
export interface ProcessFigures {
  readonly cpuSeconds: number;
  readonly rssBytes: number;
  readonly store: Traffic;
  readonly clients: Traffic;
}

export type Word =
  | { readonly said: "listening"; readonly port: number; readonly controlPort: number }
  | { readonly said: "published"; readonly seconds: number; readonly cpuSeconds: number }
  | { readonly said: "filled" }
  | { readonly said: "said"; readonly seconds: number; readonly ackMs: readonly number[] }
  | { readonly said: "arrived"; readonly runs: number }
  | ({ readonly said: "figures" } & ProcessFigures)
  | { readonly said: "memory"; readonly rssBytes: number; readonly heapBytes: number };

function lines<Message>(socket: Socket, hear: (message: Message) => void): void {
  let rest = "";
  socket.setEncoding("utf8").on("data", (chunk: string) => {
    const parts = (rest + chunk).split("\n");
    rest = parts.pop() ?? "";
    for (const part of parts) hear(JSON.parse(part) as Message);
  });
}

/** The server's end. Answers the port. */
export function serveControl(hear: (order: Order, say: (word: Word) => void) => void): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer((socket) => {
      socket.setNoDelay(true).on("error", () => {});
      lines<Order>(socket, (order) => hear(order, (word) => socket.write(`${JSON.stringify(word)}\n`)));
    });
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : 0);
    });
  });
}

export interface Control {
  order(order: Order): void;
  /** The next word of that kind. */
  hear<Said extends Word["said"]>(said: Said): Promise<Extract<Word, { said: Said }>>;
  close(): void;
}

export function openControl(port: number): Promise<Control> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1");
    const waiting: { said: string; take: (word: never) => void; fail: (error: Error) => void }[] = [];
    lines<Word>(socket, (word) => {
      const at = waiting.findIndex(({ said }) => said === word.said);
      if (at >= 0) waiting.splice(at, 1)[0]?.take(word as never);
    });
    socket.on("error", reject);
    socket.on("close", () => {
      for (const { said, fail } of waiting.splice(0)) fail(new Error(`the server ended before it said ${said}`));
    });
    socket.setNoDelay(true).once("connect", () =>
      resolve({
        order: (order) => socket.write(`${JSON.stringify(order)}\n`),
        hear: (said) => new Promise((take, fail) => waiting.push({ said, take, fail })),
        close: () => socket.destroy(),
      }),
    );
  });
}
