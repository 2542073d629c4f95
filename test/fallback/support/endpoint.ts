/** A real HTTP server on loopback that keeps what it is sent and answers as the test says. */
import { once } from "node:events";
import type { IncomingHttpHeaders, ServerResponse } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

export interface Hit {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** Answers a hit; one that does nothing leaves the caller hanging. */
export type Answer = (response: ServerResponse, hit: Hit) => void;

export const answers =
  (status: number, headers: Readonly<Record<string, string>> = {}, body = ""): Answer =>
  (response) => {
    response.writeHead(status, headers);
    response.end(body);
  };
export const hangs: Answer = () => {};

export class Endpoint {
  readonly hits: Hit[] = [];
  /** TCP connections that were made to it, spoken over or not. */
  connections = 0;
  answer: Answer;
  readonly server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { method = "", url: path = "", headers } = request;
      const hit = { method, path, headers, body: Buffer.concat(chunks) };
      this.hits.push(hit);
      this.answer(response, hit);
    });
  });

  private constructor(answer: Answer) {
    this.answer = answer;
    this.server.on("connection", () => {
      this.connections += 1;
    });
  }

  static async open(answer: Answer = answers(204)): Promise<Endpoint> {
    const endpoint = new Endpoint(answer);
    endpoint.server.listen(0, "127.0.0.1");
    await once(endpoint.server, "listening");
    return endpoint;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  url(path = "/", host = "127.0.0.1"): string {
    return `http://${host}:${this.port}${path}`;
  }

  /** Sockets that are open now. */
  openSockets(): Promise<number> {
    return new Promise((resolve, reject) =>
      this.server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
    );
  }

  get last(): Hit {
    const hit = this.hits.at(-1);
    if (hit === undefined) throw new Error("nothing was sent");
    return hit;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, "close");
  }
}
