/**
 * One connection's place in its stream: what was sent, what was acknowledged, and the window between the two.
 *
 * Live, replay and resume are one thing here: read after `scanned`, from the hub's memory while that reaches back,
 * else from the log. A slow reader is `blocked` and costs its cursor; nothing waits in a queue (L11). The outbox
 * moves bytes; `machines/delivery` holds the mode.
 */
import type { Actor } from "xstate";
import type { deliveryMachine } from "../../machines/delivery.ts";
import type { Want } from "../../protocol/frames.ts";
import type { Epoch, Offset } from "../../protocol/ids.ts";
import type { EventLog, ReadLimit, Slice, StoredEvent } from "../log/event-log.ts";
import type { Batcher } from "./batcher.ts";
import { encodeFrame, eventsFrame, eventText, inFrames, mergeDeltas, newestProgress } from "./frames.ts";
import type { StreamHub } from "./hub.ts";
import type { EncodedFrame, Transport } from "./transport.ts";
import type { Window } from "./unacked.ts";
import { Unacked } from "./unacked.ts";

/**
 * Bytes that may wait in the process for the network to take them: room for the newest events of a stream as one frame
 * (`log/recent`), and small enough for a thousand readers that stand still. More would arrive no sooner.
 */
export const maxBufferedBytes = 131_072;

/** Read from the log at once; it leaves in several frames. */
const maxPage: ReadLimit = { maxEvents: 512, maxBytes: 256 * 1_024 };

/** Whether frames of events may pass now: the connection's breaker. Frames beside the stream do not ask. */
export interface FrameGate {
  readonly lets: boolean;
  /** A frame with events was handed over. */
  sent(): void;
}

/** What an outbox needs of its surroundings. */
export interface OutboxContext {
  readonly hub: StreamHub;
  readonly log: EventLog;
  readonly transport: Transport;
  readonly window: Window;
  readonly delivery: Actor<typeof deliveryMachine>;
  /** Stops the delivery actor. */
  readonly release: () => void;
  readonly want: Want | undefined;
  readonly mergeDeltas: boolean;
  readonly gate: FrameGate;
  /** The supervisor's hand: the only way to the socket (L12). False: the socket is gone. */
  readonly write: (frame: EncodedFrame, eventCount: number) => boolean;
  /** The log was read at this epoch. True: it has another history than its hub shows, and the connection goes home. */
  readonly isOutlived: (epoch: Epoch) => boolean;
  /** The log did not answer: call `pump` again later. */
  readonly retryLater: () => void;
}

type Mode = "replaying" | "live" | "blocked" | "ended";

export class Outbox {
  /** Where it began: what stands before was never meant for it. */
  readonly start: Offset;
  /** Covered by frames that were handed over. */
  sentUpto: Offset;
  acked: Offset;
  /** Looked at; ahead of `sentUpto` while only unwanted events came. */
  private scanned: Offset;
  private mode: Mode = "replaying";
  private reading = false;
  /** It fell behind and has not caught up: its deltas may be merged. */
  private lagging = false;
  /** The frame whose ack is timed, up to here; 0: none. One at a time is sample enough. */
  private timedUpto: Offset = 0;
  private timedMono = 0;
  /** Events wait for each other. Undefined: each commit leaves at once. */
  private batcher: Batcher | undefined;
  private readonly unacked: Unacked;
  private readonly context: OutboxContext;

  constructor(context: OutboxContext, after: Offset) {
    this.context = context;
    this.unacked = new Unacked(context.window);
    this.start = after;
    this.sentUpto = after;
    this.scanned = after;
    this.acked = after;
    // It may stand ahead of the head that the hub knows.
    context.hub.figures.attempts += Math.max(context.hub.head - after, 0);
  }

  /** Frames with events stand sent and not acknowledged. */
  get hasUnacked(): boolean {
    return this.unacked.events > 0;
  }

  /** Its client acknowledges what it gets. */
  get hasAcked(): boolean {
    return this.acked > this.start;
  }

  /** The part of its window that is not acknowledged, 0 to 1: what the connection's health is derived from. */
  get lag(): number {
    return this.unacked.share;
  }

  /** From here on events wait for each other, or do not. */
  batchBy(batcher: Batcher | undefined): void {
    this.batcher?.stop();
    this.batcher = batcher;
  }

  /** Its connection is gone, or its socket took nothing. */
  get hasEnded(): boolean {
    return this.mode === "ended";
  }

  /** Sends what there is to send and what the window allows. */
  pump(): void {
    const { hub } = this.context;
    if (this.batcher !== undefined && this.mode === "live" && this.batcher.holds(this.scanned)) return;
    if (this.mode === "blocked") {
      if (!this.hasRoom()) return this.fallBehind();
      this.turn("replaying");
    }
    while (this.mode !== "ended" && !this.reading) {
      if (this.scanned >= hub.head) return this.turn("live");
      if (!this.hasRoom()) return this.turn("blocked");
      if (!this.sendFromMemory()) return this.readOn();
    }
  }

  /** A cumulative ack. False: it names what was never sent, and changes nothing. */
  ack(offset: Offset): boolean {
    if (offset > this.sentUpto) return false;
    if (offset <= this.acked) return true;
    const { figures } = this.context.hub;
    figures.acked += offset - this.acked;
    if (this.timedUpto > 0 && offset >= this.timedUpto) {
      figures.sentToAcked.observeMs(figures.mono() - this.timedMono);
      this.timedUpto = 0;
    }
    this.acked = offset;
    this.unacked.ack(offset);
    if (this.mode === "blocked") this.pump();
    return true;
  }

  /** The transport has drained, its breaker turned, or the heartbeat came round: go on, and cover what was filtered away. */
  nudge(): void {
    if (this.mode === "blocked") this.pump();
    if (this.mode === "live" && this.scanned > this.sentUpto && this.context.gate.lets) this.send([], this.scanned, 0);
  }

  end(): void {
    if (this.mode === "ended") return;
    this.mode = "ended";
    this.batcher?.stop();
    this.unacked.clear();
    this.context.hub.wake(this);
    this.context.delivery.send({ type: "connection.closed" });
    this.context.release();
  }

  private hasRoom(): boolean {
    const { gate, transport } = this.context;
    return !this.unacked.isFull && gate.lets && transport.bufferedBytes < maxBufferedBytes;
  }

  private get merges(): boolean {
    return this.lagging || this.batcher !== undefined;
  }

  private room(): ReadLimit {
    const { maxEvents, maxBytes } = this.unacked.room;
    const bufferBytes = maxBufferedBytes - this.context.transport.bufferedBytes;
    return {
      maxEvents: Math.min(maxPage.maxEvents, maxEvents),
      maxBytes: Math.min(maxPage.maxBytes, maxBytes, bufferBytes),
    };
  }

  /** There was no room at a second look: its reader is slow, and not just this turn of the event loop full. */
  private fallBehind(): void {
    this.lagging = true;
    this.context.hub.rest(this);
  }

  /** True: something was sent or scanned. */
  private sendFromMemory(): boolean {
    const { hub, want } = this.context;
    const room = this.room();
    if (want === undefined && !this.merges && this.scanned === this.sentUpto) {
      const shared = hub.frameAfter(this.scanned);
      if (shared === undefined) return false;
      if (shared.eventCount <= room.maxEvents && shared.frame.bytes.length <= room.maxBytes) {
        this.handOver(shared.frame, shared.upto, shared.eventCount);
        return true;
      }
    }
    const events = hub.eventsAfter(this.scanned, room);
    // None at hand, though the stream has grown: another process wrote them.
    if (events === undefined || events.length === 0) return false;
    this.sendEvents(events, events.at(-1)?.offset ?? this.scanned);
    return true;
  }

  /** `upto`: how far they go; offsets that were merged or lost are covered by it. */
  private sendEvents(events: readonly StoredEvent[], upto: Offset): void {
    if (upto <= this.scanned) return;
    const wanted = this.context.want === undefined ? events : events.filter((event) => this.wants(event));
    const out = this.merges && this.context.mergeDeltas ? mergeDeltas(newestProgress(wanted)) : wanted;
    for (const part of inFrames(out, this.mode === "live" ? this.batcher?.maxEvents : undefined)) {
      // What was left out behind the last event is covered with it.
      const isLast = part.at(-1) === out.at(-1);
      this.send(part.map(eventText), isLast ? upto : (part.at(-1)?.offset ?? upto), part.length);
      if (this.mode === "ended" || !this.context.gate.lets) return;
    }
    // A range without a wanted event is covered by the next frame that has one, or by the next nudge.
    this.scanned = upto;
  }

  private send(texts: readonly string[], upto: Offset, eventCount: number): void {
    this.handOver(eventsFrame(this.sentUpto, upto, texts), upto, eventCount);
  }

  private handOver(frame: EncodedFrame, upto: Offset, eventCount: number): void {
    if (!this.context.write(frame, eventCount)) return this.end();
    const { figures } = this.context.hub;
    if (eventCount > 0) {
      this.unacked.sent(this.sentUpto, upto, eventCount, frame.bytes.length);
      if (this.timedUpto === 0) {
        this.timedUpto = upto;
        this.timedMono = figures.mono();
      }
    }
    figures.deliveries += upto - this.sentUpto;
    this.sentUpto = upto;
    this.scanned = upto;
    if (eventCount > 0) this.context.gate.sent();
  }

  /** Whether its filter lets this event pass. */
  wants({ type, threadId }: Pick<StoredEvent, "type" | "threadId">): boolean {
    const { want } = this.context;
    if (want?.types !== undefined && !want.types.includes(type)) return false;
    return want?.threads === undefined || (threadId !== undefined && want.threads.includes(threadId));
  }

  /** Memory does not reach back that far. */
  private readOn(): void {
    const { log, hub } = this.context;
    this.turn("replaying");
    this.reading = true;
    const after = this.scanned;
    const room = this.room();
    const read = (): Promise<Slice> => log.read(hub.stream, after, room);
    (hub.traces === undefined ? read() : hub.traces.replay(after, read)).then(
      (slice) => {
        this.reading = false;
        if (this.mode === "ended" || this.context.isOutlived(slice.epoch)) return;
        // Its breaker opened while the log was read.
        if (!this.context.gate.lets) return this.pump();
        const before = this.scanned;
        if (slice.first > this.scanned + 1) this.declareGap(slice.first - 1);
        this.sendEvents(slice.events, slice.upto);
        // The bell was ahead of what the log shows: asking at once would ask for ever.
        if (this.scanned === before && this.scanned < hub.head) return this.context.retryLater();
        this.pump();
      },
      () => {
        this.reading = false;
        this.context.retryLater();
      },
    );
  }

  /** What was looked at and not wanted is no part of the gap. */
  private declareGap(upto: Offset): void {
    const { hub } = this.context;
    if (this.scanned > this.sentUpto) this.send([], this.scanned, 0);
    const frame = encodeFrame({ type: "gap", from: this.sentUpto + 1, upto, reason: "retention" });
    const before = this.sentUpto;
    this.handOver(frame, upto, 0);
    // Nobody is handed these.
    hub.figures.deliveries -= this.sentUpto - before;
  }

  private turn(mode: Mode): void {
    if (this.mode === mode || this.mode === "ended") return;
    const { delivery } = this.context;
    if (mode === "live") {
      this.lagging = false;
      if (this.mode === "replaying") delivery.send({ type: "head.reached" });
    } else if (mode === "blocked") {
      this.lagging ||= this.unacked.isFull;
      delivery.send({ type: "window.filled" });
    } else {
      if (this.mode === "blocked") this.context.hub.wake(this);
      delivery.send({ type: this.mode === "blocked" ? "window.opened" : "memory.outrun" });
    }
    this.mode = mode;
  }
}
