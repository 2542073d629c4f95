/**
 * A scripted client: says exactly what a test tells it to, over a wire to the real connection actor, and keeps every
 * frame. For tests of the server's side; `TestRuncast.client` gives our real client for tests of the page's.
 */
import type { StreamEvent } from "../../../protocol/event.ts";
import type {
  ClientFrame,
  CommandName,
  Cursor,
  HelloFrame,
  ReplyFrame,
  ServerFrame,
} from "../../../protocol/frames.ts";
import type { Offset } from "../../../protocol/ids.ts";
import { decodeServerFrame } from "../../../protocol/server-frame.ts";
import { turn } from "../manual-clock.ts";
import type { Network } from "./network.ts";
import type { Wire } from "./wire.ts";

export type FrameOf<Type extends ServerFrame["type"]> = Extract<ServerFrame, { readonly type: Type }>;
export type Hello = Omit<HelloFrame, "type">;
/** What a command frame says beside its name and its `ref`. */
export type CommandFields = Omit<Extract<ClientFrame, { readonly type: "command" }>, "type" | "name" | "ref">;

export interface Ended {
  /** As in `protocol/close-codes`; 1006: the link died. */
  readonly code: number;
  readonly reason: string;
}

interface Waiter {
  readonly type: ServerFrame["type"];
  readonly resolve: (frame: ServerFrame) => void;
  readonly reject: (why: string) => void;
}

/** Of real time: nothing here waits for a network, so what has not come by then never will. */
const patienceMs = 2_000;
const lastTurns = 10;
const [realAfter, cancelReal] = [setTimeout, clearTimeout];

export class TestClient {
  /** Every frame that came, in order. */
  readonly frames: ServerFrame[] = [];
  /** How it ended; undefined while it is open. */
  ended: Ended | undefined;
  private readonly wire: Wire;
  private readonly token: string;
  private readonly taken = new Map<ServerFrame["type"], number>();
  private waiters: Waiter[] = [];
  private readonly close = Promise.withResolvers<Ended>();
  private commandCount = 0;

  constructor(network: Network, userId: string, token: string) {
    this.token = token;
    this.wire = network.dial(userId, {
      opened: () => {},
      text: (text) => this.receive(text),
      closed: (code, reason) => this.end({ code, reason }),
    });
  }

  /** Resolves when it has ended, with how. */
  get closed(): Promise<Ended> {
    return this.close.promise;
  }

  /** Every event that came, in order, also in several frames. */
  get events(): readonly StreamEvent[] {
    return this.frames.flatMap((frame) => (frame.type === "events" ? frame.events : []));
  }

  /** Where it stands: what to say in the `hello` of the next connection. Undefined before a `welcome`. */
  get cursor(): Cursor | undefined {
    const welcome = this.frames.find((frame) => frame.type === "welcome");
    return welcome && { epoch: welcome.epoch, offset: this.upto };
  }

  /** Last offset that a frame has covered. */
  get upto(): Offset {
    for (const frame of this.frames.toReversed()) {
      if (frame.type === "events" || frame.type === "gap") return frame.upto;
      if (frame.type === "snapshot") return frame.at;
      if (frame.type === "welcome" && frame.resumed === "fresh") return frame.head;
    }
    return 0;
  }

  /** One frame, as JSON through the wire's own codec: what the contract refuses, closes it. */
  say(frame: ClientFrame): void {
    this.wire.send(JSON.stringify(frame));
  }

  /** Any text at all. */
  text(text: string): void {
    this.wire.send(text);
  }

  /**
   * Says hello, with its user's token unless another is given. The `welcome` stays for `frame` to give.
   *
   * Fails: when the connection ends instead of being welcomed; the message names the close code.
   */
  async hello(hello: Hello = {}): Promise<FrameOf<"welcome">> {
    this.say({ type: "hello", token: this.token, ...hello });
    const welcomes = this.of("welcome").length;
    return this.of("welcome")[welcomes] ?? this.next("welcome");
  }

  /**
   * The next frame of this type that was not given yet; frames of other types stay where they are.
   *
   * Fails: when the connection ends before one came, and when none has come after 2 s of real time; the message names
   * the frames that did come.
   */
  async frame<Type extends ServerFrame["type"]>(type: Type): Promise<FrameOf<Type>> {
    const skip = this.taken.get(type) ?? 0;
    this.taken.set(type, skip + 1);
    return this.of(type)[skip] ?? this.next(type);
  }

  /** Every frame of this type that came, in order. */
  of<Type extends ServerFrame["type"]>(type: Type): readonly FrameOf<Type>[] {
    return this.frames.filter((frame): frame is FrameOf<Type> => frame.type === type);
  }

  /** Acknowledges up to `offset`; default all that came. */
  ack(offset: Offset = this.upto): void {
    this.say({ type: "ack", offset });
  }

  /** Sends a command and gives its reply, also one that says no. */
  async command(name: CommandName, fields: CommandFields = {}): Promise<ReplyFrame> {
    this.commandCount += 1;
    const ref = `test-${this.commandCount}`;
    this.say({ type: "command", name, ref, ...fields });
    for (;;) {
      const reply = await this.frame("reply");
      if (reply.ref === ref) return reply;
    }
  }

  /** Stops reading: what the server sends stays in its buffer, and pings stay unanswered. */
  pause(): void {
    this.wire.pause();
  }

  /** The link is half-open: nothing passes, and neither side is told. */
  silence(): void {
    this.wire.silence();
  }

  /** Reads and is heard again. */
  resume(): void {
    this.wire.resume();
  }

  /** The link dies, as with a network that goes. */
  cut(): void {
    this.wire.cut();
  }

  /** Goes politely. */
  leave(): void {
    this.wire.leave();
  }

  private receive(text: string): void {
    const decoded = decodeServerFrame(text);
    if (!decoded.ok || decoded.value === undefined) throw new Error(`the server sent what no client reads: ${text}`);
    const frame = decoded.value;
    this.frames.push(frame);
    const waiter = this.waiters.find(({ type }) => type === frame.type);
    if (waiter === undefined) return;
    this.waiters = this.waiters.filter((each) => each !== waiter);
    waiter.resolve(frame);
  }

  private next<Type extends ServerFrame["type"]>(type: Type): Promise<FrameOf<Type>> {
    return new Promise((resolve, reject) => {
      const refuse = (why: string): void => {
        cancelReal(patience);
        const seen = this.frames.map((frame) => frame.type).join(", ") || "nothing";
        reject(new Error(`no ${type} frame: ${why}; what came: ${seen}`));
      };
      const patience = realAfter(() => void afterLastTurns(refuse), patienceMs);
      const settle = (frame: ServerFrame): void => {
        cancelReal(patience);
        resolve(frame as FrameOf<Type>);
      };
      this.waiters.push({ type, resolve: settle, reject: refuse });
      if (this.ended) this.refuseWaiters(this.ended);
    });
  }

  private end(ended: Ended): void {
    this.ended = ended;
    this.close.resolve(ended);
    this.refuseWaiters(ended);
  }

  private refuseWaiters({ code, reason }: Ended): void {
    for (const { reject } of this.waiters.splice(0)) reject(`the connection ended with ${code} ${reason}`);
  }
}

/** The machine may have been busy with others: what is under way gets its turn first. */
async function afterLastTurns(refuse: (why: string) => void): Promise<void> {
  for (let count = 0; count < lastTurns; count += 1) await turn();
  refuse("none has come, and nothing is under way");
}
