/**
 * One connection as a witness at the server's socket sees it: what was handed over, what was heard. Holds the contract
 * of the wire against it: I7 (one answer to a resume), L4 (ranges meet), I8 (acks), L7 (nothing that is not
 * committed), L8 (nothing foreign), L11 (nothing beyond the window).
 */
import type {
  ClientFrame,
  EventsFrame,
  GapFrame,
  HelloFrame,
  ServerFrame,
  WelcomeFrame,
} from "../../protocol/frames.ts";
import type { History, Kept } from "./history.ts";
import type { Sometimes } from "./sometimes.ts";

export interface WatchTerms {
  readonly history: History;
  readonly sometimes: Sometimes;
  readonly streamOf: (user: string) => string;
  readonly windowEvents: number;
  readonly windowBytes: number;
  readonly violate: (law: string, what: string) => void;
}

interface Unacked {
  readonly after: number;
  readonly upto: number;
  readonly events: number;
  readonly bytes: number;
}

export class ConnectionWatch {
  private readonly terms: WatchTerms;
  private hello: HelloFrame | undefined;
  private welcome: WelcomeFrame | undefined;
  /** Where the next range must begin; undefined while a gap or a snapshot must come first. */
  private upto: number | undefined;
  private isGapAnnounced = false;
  private acked = 0;
  private unacked: Unacked[] = [];
  private wasFull = false;

  constructor(terms: WatchTerms) {
    this.terms = terms;
  }

  heard(text: string): void {
    const frame = JSON.parse(text) as ClientFrame;
    if (frame.type === "hello") this.hello ??= frame;
    if (frame.type !== "ack") return;
    // An ack of what was never sent frees nothing (I8).
    if (frame.offset > (this.upto ?? 0) || frame.offset <= this.acked) return;
    this.acked = frame.offset;
    this.unacked = this.unacked.filter(({ upto }) => upto > frame.offset);
  }

  handedOver(text: string, bytes: number): void {
    const frame = JSON.parse(text) as ServerFrame;
    if (frame.type === "welcome") return this.meetWelcome(frame);
    if (this.welcome === undefined) {
      if (frame.type !== "goodbye") this.violate("I9", `${frame.type} before welcome`);
      return;
    }
    if (frame.type === "gap") this.meetGap(frame);
    else if (frame.type === "snapshot") this.meetSnapshot(frame.at);
    else if (frame.type === "events") this.meetEvents(frame, bytes);
  }

  private meetWelcome(frame: WelcomeFrame): void {
    const { hello } = this;
    if (this.welcome !== undefined || hello === undefined) return this.violate("I7", "a welcome nobody asked for");
    if (frame.userId !== hello.token) this.violate("L8", `${hello.token} is welcomed as ${frame.userId}`);
    this.welcome = frame;
    const { cursor, from = "active" } = hello;
    const head = this.terms.history.of(this.stream(), frame.epoch).length;
    if (frame.head > head) this.violate("L7", `welcome names the head ${frame.head} where ${head} is committed`);
    const isGood = cursor?.epoch === frame.epoch && cursor.offset <= frame.head;
    if (cursor && cursor.epoch !== frame.epoch && cursor.offset > frame.head)
      this.terms.sometimes.note("the history was replaced and a device is ahead of the new one");
    if (cursor && cursor.epoch === frame.epoch && cursor.offset > head)
      this.terms.sometimes.note("a device comes with a place that never was");
    const right = cursor
      ? isGood
        ? ["replayed", "gap"]
        : ["gap"]
      : from === "active"
        ? ["snapshot"]
        : ["fresh", "gap"];
    if (!right.includes(frame.resumed))
      this.violate("I7", `${frame.resumed} for ${JSON.stringify(cursor ?? from)} at ${frame.epoch}:${frame.head}`);
    if (frame.resumed === "replayed") this.upto = cursor?.offset;
    if (frame.resumed === "fresh") this.upto = from === "start" ? 0 : frame.head;
    this.isGapAnnounced = frame.resumed === "gap";
    this.acked = isGood ? (cursor?.offset ?? 0) : 0;
  }

  private meetGap({ from, upto, reason }: GapFrame): void {
    if (reason === "retention") {
      const at = this.upto ?? this.hello?.cursor?.offset ?? 0;
      if (from !== at + 1) this.violate("L4", `a gap from ${from} where ${at} was covered`);
      this.upto = upto;
      if (this.hello?.cursor) this.terms.sometimes.note("a device comes with a place that retention has taken");
    } else if (!this.isGapAnnounced) this.violate("I7", `an unannounced gap: ${reason}`);
    if (upto < from - 1) this.violate("L4", `a gap from ${from} back to ${upto}`);
    this.isGapAnnounced = false;
  }

  private meetSnapshot(at: number): void {
    if (this.isGapAnnounced) this.violate("I7", "a gap was announced and a snapshot came without it");
    if (this.upto !== undefined) this.violate("I7", `a snapshot on the way, at ${at}`);
    this.upto = at;
  }

  private meetEvents(frame: EventsFrame, bytes: number): void {
    const { after, upto, events } = frame;
    if (after !== this.upto) this.violate("L4", `a range after ${after} where ${this.upto ?? "nothing"} was covered`);
    if (upto < after) this.violate("L4", `a range from ${after} back to ${upto}`);
    this.upto = upto;
    const held = this.terms.history.of(this.stream(), this.welcome?.epoch);
    let last = after;
    for (const { offset, id } of events) {
      if (offset <= last || offset > upto)
        this.violate("L3", `offset ${offset} after ${last} in a range up to ${upto}`);
      if (held[offset - 1]?.id !== id)
        this.violate(
          "L7",
          `${this.hello?.token} is sent ${id} at ${offset}: ${held[offset - 1]?.id ?? "nothing"} is committed`,
        );
      last = offset;
    }
    this.checkLeftOut(held.slice(after, upto), frame);
    if (events.length > 0) this.checkWindow({ after, upto, events: events.length, bytes });
  }

  /** What is in the range and not in the frame was filtered away, or joined with its neighbour. */
  private checkLeftOut(range: readonly Kept[], { events, upto }: EventsFrame): void {
    const { types } = this.hello?.want ?? {};
    const sent = new Set<string>(events.map(({ id }) => id));
    for (const { id, type, offset } of range) {
      if (sent.has(id) || (types !== undefined && !types.includes(type))) continue;
      if (type !== "agent_delta") this.violate("L4", `${type} at ${offset} is left out of a range up to ${upto}`);
      else this.terms.sometimes.note("deltas reach a device merged");
    }
  }

  /** Frames that an ack has touched count as gone: the server counts merged events by their offsets. */
  private checkWindow(frame: Unacked): void {
    const { windowEvents, windowBytes, sometimes } = this.terms;
    const whole = this.unacked.filter(({ after }) => after >= this.acked);
    const events = whole.reduce((sum, each) => sum + each.events, 0);
    const bytes = whole.reduce((sum, each) => sum + each.bytes, 0);
    if (events + frame.events > windowEvents || bytes >= windowBytes)
      this.violate(
        "L11",
        `${frame.events} events beyond ${events} of ${windowEvents}, ${bytes} of ${windowBytes} bytes`,
      );
    if (this.wasFull && this.unacked.length < 2) sometimes.note("a full window opens again and the reader reads on");
    this.unacked.push(frame);
    this.wasFull = events + frame.events >= windowEvents || bytes + frame.bytes >= windowBytes;
  }

  private stream(): string {
    return this.terms.streamOf(this.hello?.token ?? "");
  }

  private violate(law: string, what: string): void {
    this.terms.violate(law, what);
  }
}
