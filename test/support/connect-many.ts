/** Many sockets of one user, one after the other, so that it is known which one is the oldest. */
import { once } from "node:events";
import { WebSocket } from "ws";

export interface ManySockets {
  /** The first so many that were closed by the server: number of the socket and code, in the order of the numbers. */
  closes(count: number): Promise<readonly (readonly [number, number])[]>;
  end(): Promise<void>;
}

export async function connectMany(url: string, token: string, count: number): Promise<ManySockets> {
  const sockets: WebSocket[] = [];
  const closed: (readonly [number, number])[] = [];
  let wake = (): void => {};
  for (let number = 0; number < count; number += 1) {
    const socket = new WebSocket(`${url.replace("http", "ws")}/v1/ws`, ["runcast.v1"], { perMessageDeflate: false });
    socket.on("close", (code) => {
      closed.push([number, code]);
      wake();
    });
    await once(socket, "open");
    socket.send(JSON.stringify({ type: "hello", token, from: "now" }));
    await once(socket, "message");
    sockets.push(socket);
  }
  return {
    closes: async (wanted) => {
      while (closed.length < wanted) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      return closed.toSorted(([one], [other]) => one - other);
    },
    end: async () => {
      const open = sockets.filter(({ readyState }) => readyState === WebSocket.OPEN);
      await Promise.all(
        open.map((socket) => {
          socket.close();
          return once(socket, "close");
        }),
      );
    },
  };
}
