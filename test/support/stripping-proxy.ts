/** A load balancer that takes `Authorization` away, on calls and on upgrades, as real ones do (LESSON 43). */
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { createServer, request } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { connect } from "node:net";

export interface StrippingProxy extends AsyncDisposable {
  readonly url: string;
}

export async function strippingProxy(target: string): Promise<StrippingProxy> {
  const { hostname, port, host } = new URL(target);
  const sockets = new Set<Socket>();
  const headersOf = ({ rawHeaders }: IncomingMessage): string[] =>
    rawHeaders.flatMap((name, at) =>
      at % 2 === 1 || name.toLowerCase() === "authorization"
        ? []
        : [name, name.toLowerCase() === "host" ? host : (rawHeaders[at + 1] ?? "")],
    );
  const server = createServer((asked, answer) => {
    const { method, url } = asked;
    const onwards = request({ hostname, port, method, path: url, headers: headersOf(asked) }, (response) => {
      answer.writeHead(response.statusCode ?? 500, response.rawHeaders);
      response.pipe(answer);
    });
    onwards.on("error", () => answer.destroy());
    answer.on("close", () => onwards.destroy());
    asked.pipe(onwards);
  });
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => {}).on("close", () => sockets.delete(socket));
  });
  server.on("upgrade", (asked: IncomingMessage, socket: Socket, head: Buffer) => {
    const onwards = connect(Number(port), hostname);
    onwards.on("error", () => socket.destroy());
    const pairs = headersOf(asked);
    const lines = pairs.flatMap((name, at) => (at % 2 === 0 ? [`${name}: ${pairs[at + 1]}`] : []));
    onwards.write(`GET ${asked.url} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`);
    onwards.write(head);
    onwards.pipe(socket).pipe(onwards);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
