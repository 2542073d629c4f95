/**
 * Devices of a fleet's users: the client library behind the balancer, and a bare socket and a bare SSE stream that go to a
 * node at random whenever they were cut. Each keeps what its application was handed and what it was told will not come.
 */
import type { StreamEvent } from "../../../protocol/event.ts";
import type { EventsFrame, GapFrame, ServerFrame } from "../../../protocol/frames.ts";
import type { Gap } from "../../../src/client/index.ts";
import { connect } from "../../../src/client/index.ts";
import { userToken } from "../built-server.ts";
import { SocketLine } from "./socket-line.ts";
import { SseLine } from "./sse-line.ts";

/** What will not come, and why. `snapshot`: the library's word for what a folded state stands for. */
export interface Told {
  /** How many events it had been handed by then. */
  readonly after: number;
  readonly from: number;
  readonly upto: number;
  readonly reason: GapFrame["reason"] | "snapshot";
}

export interface FleetReader {
  /** As in `ada/socket`. */
  readonly name: string;
  readonly userId: string;
  /** In the order in which they were handed over. */
  readonly seen: readonly StreamEvent[];
  readonly told: readonly Told[];
  /** What no server may do to a device. */
  readonly complaints: readonly string[];
  /** How often it has come back. */
  readonly moves: number;
  close(): void;
}

export type ReaderKind = "library" | "socket" | "sse";
/** A part of the full jitter: a test does not wait as long as a crowd would. */
const hasteShare = 0.03;

export interface ReaderOptions {
  readonly userId: string;
  readonly kind: ReaderKind;
  /** Where the balancer is: for the library, which knows one address. */
  readonly balancer: string;
  /** A node, for those that choose by themselves. */
  readonly anyUrl: () => string;
  readonly random: () => number;
}

export function read(options: ReaderOptions): FleetReader {
  return options.kind === "library" ? byLibrary(options) : new BareReader(options);
}

function byLibrary({ userId, balancer, random }: ReaderOptions): FleetReader {
  const client = connect({
    url: balancer,
    token: () => userToken(userId),
    from: "start",
    device: `${userId}-library`,
    random: () => random() * hasteShare,
  });
  const seen: StreamEvent[] = [];
  const told: Told[] = [];
  let connections = 0;
  client.on("status", ({ state }) => {
    if (state === "waiting") connections += 1;
  });
  const reading = async (): Promise<void> => {
    for await (const item of client.events({ gaps: true })) {
      if (item.type === "gap") told.push({ after: seen.length, ...(item as Gap) });
      else seen.push(item as StreamEvent);
    }
  };
  void reading().catch(() => {});
  return {
    name: `${userId}/library`,
    userId,
    seen,
    told,
    get complaints() {
      const { holes, state, lastError } = client.status;
      return [
        ...(holes > 0 ? [`${holes} frames with a hole before them`] : []),
        ...(state === "stopped" ? [`it has stopped: ${lastError?.message}`] : []),
      ];
    },
    get moves() {
      return connections;
    },
    close: () => client.close(),
  };
}

export interface LineEvents {
  readonly frame: (frame: ServerFrame) => void;
  /** The code of the close, where there was one. */
  readonly ended: (code?: number) => void;
}

/** One connection of a bare device. */
export interface Line {
  ack(offset: number): void;
  close(): void;
}

interface Cursor {
  readonly epoch: string;
  readonly offset: number;
}

const maxPauseMs = 150;

class BareReader implements FleetReader {
  readonly name: string;
  readonly userId: string;
  readonly seen: StreamEvent[] = [];
  readonly told: Told[] = [];
  readonly complaints: string[] = [];
  moves = 0;
  readonly #options: ReaderOptions;
  #cursor: Cursor | undefined;
  #epoch = "";
  /** The next frame begins here; undefined before a snapshot or a gap. */
  #expected: number | undefined;
  #line: Line | undefined;
  #isOver = false;

  constructor(options: ReaderOptions) {
    this.#options = options;
    this.userId = options.userId;
    this.name = `${options.userId}/${options.kind}`;
    void this.#open();
  }

  close(): void {
    this.#isOver = true;
    this.#line?.close();
  }

  async #open(): Promise<void> {
    if (this.#isOver) return;
    const { kind, anyUrl } = this.#options;
    const Line = kind === "sse" ? SseLine : SocketLine;
    this.#line = new Line(
      { url: anyUrl(), anyUrl, token: await userToken(this.userId), device: this.name, cursor: this.#cursor },
      { frame: (frame) => this.#take(frame), ended: (code) => this.#again(code) },
    );
  }

  #again(code = 0): void {
    if (this.#isOver) return;
    if (code === badFrame || code === bug) this.complaints.push(`closed with ${code}`);
    this.moves += 1;
    setTimeout(() => void this.#open(), this.#options.random() * maxPauseMs);
  }

  #take(frame: ServerFrame): void {
    switch (frame.type) {
      case "welcome":
        this.#epoch = frame.epoch;
        this.#expected =
          frame.resumed === "replayed" ? this.#cursor?.offset : frame.resumed === "fresh" ? 0 : undefined;
        if (frame.resumed === "fresh" && this.#cursor !== undefined)
          this.complaints.push("began afresh, and had a cursor");
        return;
      case "events":
        return this.#events(frame);
      case "gap":
        this.#tell(frame.from, frame.upto, frame.reason);
        return this.#moveTo(frame.upto);
      case "snapshot":
        if (frame.at !== this.#expected) this.#tell((this.#expected ?? 0) + 1, frame.at, "snapshot");
        return this.#moveTo(frame.at);
      default:
    }
  }

  /** Exactly what follows: bare devices drop nothing and forgive nothing. */
  #events({ after, upto, events }: EventsFrame): void {
    if (after !== this.#expected) this.complaints.push(`at ${this.#expected}, and a frame came after ${after}`);
    this.seen.push(...events);
    this.#moveTo(upto);
    this.#line?.ack(upto);
  }

  #tell(from: number, upto: number, reason: Told["reason"]): void {
    this.told.push({ after: this.seen.length, from, upto, reason });
  }

  #moveTo(offset: number): void {
    this.#expected = offset;
    this.#cursor = { epoch: this.#epoch, offset };
  }
}

const badFrame = 4400;
const bug = 1011;
