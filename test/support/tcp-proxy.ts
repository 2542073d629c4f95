/**
 * A TCP proxy on loopback between a client and a server, in the test's hand: each connection is a `Link` that can be
 * slowed, cut by reset or end at an exact byte, swallowed without a word in one direction or both, and let go again.
 */
import { once } from "node:events";
import type { AddressInfo, Server, Socket } from "node:net";
import { connect, createServer } from "node:net";
import type { Cut, CutKind, Line } from "./tcp-pipe.ts";
import { TcpPipe } from "./tcp-pipe.ts";

/** What connections meet that come from now on. */
export interface LinkPlan {
  readonly line?: Line;
  /** Cuts what the client says. */
  readonly cutUp?: Cut;
  /** Cuts what the server says. */
  readonly cutDown?: Cut;
}

export type Direction = "up" | "down" | "both";

export class Link {
  /** From the client to the server. */
  readonly up: TcpPipe;
  /** From the server to the client. */
  readonly down: TcpPipe;
  /** Resolves when both of its sockets are closed. */
  readonly closed: Promise<unknown>;
  /** Resolves when the server has let go of its socket, also while nothing passes. */
  readonly leftByServer: Promise<unknown>;
  readonly #client: Socket;
  readonly #server: Socket;

  constructor(client: Socket, server: Socket, { line, cutUp, cutDown }: LinkPlan) {
    this.#client = client;
    this.#server = server;
    const onCut = (how: Exclude<CutKind, "fin">): void => this.end(how);
    this.up = new TcpPipe(client, server, line, onCut);
    this.down = new TcpPipe(server, client, line, onCut);
    this.up.cut = cutUp;
    this.down.cut = cutDown;
    this.closed = Promise.all(
      [client, server].map((socket) => new Promise((resolve) => socket.once("close", resolve))),
    );
    this.leftByServer = new Promise((resolve) => server.once("end", resolve).once("close", resolve));
    void this.closed.then(() => {
      this.up.stop();
      this.down.stop();
    });
  }

  /** By which the server knows the connection. */
  get port(): number {
    return this.#server.localPort ?? 0;
  }

  /** A black hole: nothing passes any more, and nobody is told. */
  hold(direction: Direction = "both"): void {
    if (direction !== "down") this.up.hold();
    if (direction !== "up") this.down.hold();
  }

  /** The hole closes: what was under way arrives, late. */
  release(direction: Direction = "both"): void {
    if (direction !== "down") this.up.release();
    if (direction !== "up") this.down.release();
  }

  /** Ends it for both sides at once. */
  end(how: CutKind): void {
    for (const socket of [this.#client, this.#server]) {
      if (how === "rst") socket.resetAndDestroy();
      else if (how === "fin") socket.end();
      else socket.destroySoon();
    }
  }
}

export class TcpProxy implements AsyncDisposable {
  /** Every connection there ever was, in order. */
  readonly links: Link[] = [];
  /** For the connections to come, by their number. */
  plan: (number: number) => LinkPlan = () => ({});
  readonly #server: Server;
  #waiting: (() => void)[] = [];

  private constructor(target: () => string) {
    // Half of a connection may end before the other.
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
      const { hostname, port } = new URL(target());
      const server = connect({ host: hostname, port: Number(port), allowHalfOpen: true, noDelay: true });
      this.links.push(new Link(client, server, this.plan(this.links.length)));
      for (const go of this.#waiting.splice(0)) go();
    });
  }

  /** `target` is asked for each connection: the server behind may come back elsewhere. */
  static async listen(target: string | (() => string)): Promise<TcpProxy> {
    const proxy = new TcpProxy(typeof target === "string" ? () => target : target);
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The connection of this number, from 0: waits until it comes. */
  async link(number: number): Promise<Link> {
    for (;;) {
      const link = this.links[number];
      if (link !== undefined) return link;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  get last(): Link {
    const link = this.links.at(-1);
    if (link === undefined) throw new Error("nobody has connected yet");
    return link;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const link of this.links) link.end("rst");
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
