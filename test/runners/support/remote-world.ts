/**
 * A server in this process with a publisher before it: the real runtime and gateway on a free loopback port, and a
 * wire between them that does what it is told. One clock drives both, if one is given.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createRuncast } from "../../../src/make-runcast.ts";
import type { PublisherOptions } from "../../../src/publisher/options.ts";
import type { Publisher } from "../../../src/publisher/publisher.ts";
import { connectPublisher } from "../../../src/publisher/publisher.ts";
import type { Runcast, RuncastOptions } from "../../../src/runcast.ts";
import type { StreamEvent } from "../../../protocol/event.ts";

export const apiKey = "canary-key-3f9c1a77d2";

/** What happens to one request. */
export type Fault =
  /** It never leaves. */
  | "cutBefore"
  /** The server has answered, and nobody hears it. */
  | "cutAfter"
  /** It leaves, and the answer does not come. */
  | "hangs"
  /** It never leaves, and this fetch does not listen to who takes it back. */
  | "isDeaf"
  | { readonly status: number; readonly headers?: Record<string, string>; readonly body?: string };

export interface Sent {
  readonly path: string;
  readonly query: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: {
    readonly events?: readonly { readonly type: string; readonly key: string; readonly data: object }[];
    readonly [field: string]: unknown;
  };
}

export class Wire {
  readonly sent: Sent[] = [];
  /** For the next requests, in order. */
  readonly faults: Fault[] = [];
  /** For every request of this ending, until it is taken away. */
  readonly standing = new Map<string, Fault>();
  inFlight = 0;
  maxInFlight = 0;
  private wake: (() => void)[] = [];

  of(end: string): Sent[] {
    return this.sent.filter(({ path }) => path.endsWith(end));
  }

  /** Resolves when so many requests of this ending have been answered. */
  async answered(end: string, count: number): Promise<void> {
    while ((this.done.get(end) ?? 0) < count) await new Promise<void>((resolve) => this.wake.push(resolve));
  }
  private readonly done = new Map<string, number>();

  readonly fetch = async (url: string, init: RequestInit): Promise<Response> => {
    const { pathname, search } = new URL(url);
    const end = `/${pathname.split("/").at(-1)}`;
    const body = JSON.parse(typeof init.body === "string" ? init.body : "{}");
    this.sent.push({ path: pathname, query: search, headers: init.headers as Record<string, string>, body });
    const fault = this.standing.get(end) ?? this.faults.shift();
    if (end === "/events") this.maxInFlight = Math.max(this.maxInFlight, (this.inFlight += 1));
    try {
      return await this.carry(url, init, fault);
    } finally {
      if (end === "/events") this.inFlight -= 1;
      this.done.set(end, (this.done.get(end) ?? 0) + 1);
      for (const resolve of this.wake.splice(0)) resolve();
    }
  };

  private async carry(url: string, init: RequestInit, fault: Fault | undefined): Promise<Response> {
    const cut = () =>
      new TypeError("fetch failed", { cause: new Error(`the wire was cut; ${JSON.stringify(init.headers)}`) });
    if (fault === "cutBefore") throw cut();
    if (fault === "isDeaf") return new Promise(() => {});
    if (fault === "hangs") {
      await fetch(url, { ...init, signal: null }).then((response) => response.text());
      if (!init.signal?.aborted)
        await new Promise((_, reject) => init.signal?.addEventListener("abort", () => reject(cut())));
      throw cut();
    }
    if (typeof fault === "object") return new Response(fault.body ?? "<html>", fault);
    const response = await fetch(url, init);
    // All of it is here before it counts as answered: who waits for that waits for nothing else.
    const text = await response.text();
    if (fault === "cutAfter") throw cut();
    return new Response(text, response);
  }
}

export interface RemoteWorld {
  readonly runcast: Runcast;
  readonly url: string;
  readonly wire: Wire;
  readonly publisher: Publisher;
  /** TCP connections that the server has taken. */
  connections(): number;
  another(options?: Partial<PublisherOptions>): Publisher;
  /** All that this user would see, from the start. */
  events(userId?: string): Promise<StreamEvent[]>;
  close(): Promise<void>;
}

export interface RemoteWorldOptions {
  readonly server?: Partial<RuncastOptions>;
  readonly publisher?: Partial<PublisherOptions>;
}

export async function remoteWorld(options: RemoteWorldOptions = {}): Promise<RemoteWorld> {
  const runcast = await createRuncast({
    store: "memory:",
    auth: () => undefined,
    apiKeys: `agents:${apiKey}`,
    ...options.server,
  });
  const server = createServer();
  let connections = 0;
  server.on("connection", () => {
    connections += 1;
  });
  runcast.attach(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const wire = new Wire();
  const another = (more: Partial<PublisherOptions> = {}) =>
    connectPublisher({ url, apiKey, fetch: wire.fetch, retryMs: 1, ...options.publisher, ...more });
  return {
    runcast,
    url,
    wire,
    publisher: another(),
    connections: () => connections,
    another,
    events: async (userId = "alice") => {
      const seen: StreamEvent[] = [];
      const stop = new AbortController();
      const marker = await runcast.notify({ userId, type: "x.end_of_test", data: {} });
      for await (const event of runcast.events({ userId, signal: stop.signal })) {
        if (event.offset < marker.offset) seen.push(event);
        else stop.abort();
      }
      return seen;
    },
    close: async () => {
      await runcast.close();
      server.closeAllConnections();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
    },
  };
}
