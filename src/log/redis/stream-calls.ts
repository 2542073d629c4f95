/**
 * Scripts on streams, sent on the line of the stream's server, with what each begins with: the history that the line was
 * settled on, and how far this process knows the stream to go in it. An answer that says that one of them does not hold
 * any more has changed nothing; the line is left, and the script is sent once more on another.
 */
import { type Epoch, type Offset, type StreamKey } from "../../../protocol/ids.ts";
import { Lru } from "../lru.ts";
import { unavailable } from "./failure.ts";
import { epochOf } from "./identity.ts";
import type { Line } from "./line.ts";
import type { Script } from "./script.ts";
import type { Role } from "./node.ts";
import type { Servers } from "./servers.ts";

/** Streams whose heads are remembered. */
const maxSeen = 20_000;

export interface StreamAnswer {
  readonly epoch: Epoch;
  readonly words: readonly string[];
}

export class StreamCalls {
  readonly servers: Servers;
  readonly #seen = new Lru<StreamKey, { readonly epoch: Epoch; readonly head: Offset }>(maxSeen);

  constructor(servers: Servers) {
    this.servers = servers;
  }

  /** Whether what is written now goes out now: see `Servers.ready`. */
  isReady(stream: StreamKey): boolean {
    return this.servers.ready("write", this.servers.keys.meta(stream)) !== undefined;
  }

  getReady(stream: StreamKey): Promise<Line> {
    return this.servers.line("write", this.servers.keys.meta(stream));
  }

  /** Somebody has written to it. */
  knows(stream: StreamKey): boolean {
    return this.#seen.get(stream) !== undefined;
  }

  async call(role: Role, stream: StreamKey, script: Script, args: readonly string[]): Promise<StreamAnswer> {
    const key = this.servers.keys.meta(stream);
    for (let tries = 0; tries < 2; tries += 1) {
      const known = this.#seen.get(stream);
      const { words, line } = await this.servers.run(role, key, script, ({ history }) => [
        ...[history, String(known?.epoch === epochOf(history) ? known.head : 0)],
        ...args,
      ]);
      if (words[0] !== "stale" && words[0] !== "lost") return { epoch: epochOf(line.history), words };
      // Older than the stream's once more: what named the histories is gone, and they are named anew.
      if (words[0] === "lost" || tries > 0) this.servers.lose(line.history);
      else this.servers.drop();
    }
    throw unavailable("the Redis server's history has changed again and again");
  }

  /** What was acknowledged in a history: a server that knows less has lost it. */
  saw(stream: StreamKey, epoch: Epoch, head: Offset): void {
    const known = this.#seen.get(stream);
    if (known?.epoch === epoch && known.head >= head) return;
    this.#seen.set(stream, { epoch, head });
    this.#seen.trim();
  }

  read(stream: StreamKey, script: Script, ...args: readonly string[]): Promise<StreamAnswer> {
    return this.call("read", stream, script, args);
  }

  write(stream: StreamKey, script: Script, ...args: readonly string[]): Promise<StreamAnswer> {
    return this.call("write", stream, script, args);
  }
}
