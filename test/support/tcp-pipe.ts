/**
 * One direction of a proxied TCP connection. Bytes pass in order, at once or as a slow, lossy line lets them; the pipe
 * can be held (a black hole: nothing passes, not even the end), let go again, and cut after an exact number of bytes.
 */
import type { Socket } from "node:net";

export interface Line {
  /** One way. Units: ms. */
  readonly delayMs?: number;
  readonly bytesPerSecond?: number;
  /** Share of segments whose first transmission is lost: they and all behind them wait for a retransmission. */
  readonly lossShare?: number;
  readonly random?: () => number;
}

/** How a connection is cut: a reset, an end of this direction only, or both sockets simply closed. */
export type CutKind = "rst" | "fin" | "close";

export interface Cut {
  readonly afterBytes: number;
  readonly how: CutKind;
}

interface Segment {
  readonly content: Buffer | "end" | "reset";
  readonly dueMs: number;
}

const bytesIn = ({ content }: Pick<Segment, "content">): number => (typeof content === "string" ? 0 : content.length);

/** What one Ethernet frame carries of TCP. */
const segmentBytes = 1_460;
/** Linux's smallest retransmission timeout. */
const retransmitMs = 200;
/** Beyond it the source is not read: a proxy has no endless memory, and neither has a network. */
const maxQueuedBytes = 65_536;
const secondMs = 1_000;

export class TcpPipe {
  /** Bytes that were handed on. */
  passedBytes = 0;
  /** Set before the bytes in question come. */
  cut: Cut | undefined;
  wasCut = false;
  readonly #source: Socket;
  readonly #sink: Socket;
  readonly #line: Line | undefined;
  readonly #onCut: (how: Exclude<CutKind, "fin">) => void;
  #queue: Segment[] = [];
  #queuedBytes = 0;
  #lineFreeMs = 0;
  #lastDueMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #isHeld = false;
  #isOver = false;

  constructor(source: Socket, sink: Socket, line: Line | undefined, onCut: (how: Exclude<CutKind, "fin">) => void) {
    this.#source = source;
    this.#sink = sink;
    this.#line = line;
    this.#onCut = onCut;
    source.on("data", (bytes: Buffer) => this.#take(bytes));
    source.on("end", () => this.#push("end"));
    source.on("error", () => this.#push("reset"));
    sink.on("drain", () => this.#breathe());
  }

  /** From here on nothing passes; what is under way waits, as a partitioned network's retransmissions do. */
  hold(): void {
    this.#isHeld = true;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  release(): void {
    this.#isHeld = false;
    this.#run();
  }

  stop(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#queue = [];
  }

  #take(bytes: Buffer): void {
    const step = this.#line === undefined ? bytes.length : segmentBytes;
    for (let at = 0; at < bytes.length; at += step) this.#push(bytes.subarray(at, at + step));
  }

  #push(content: Segment["content"]): void {
    if (this.#isOver) return;
    const length = bytesIn({ content });
    this.#queuedBytes += length;
    this.#queue.push({ content, dueMs: this.#dueMs(length) });
    this.#run();
    this.#breathe();
  }

  #dueMs(length: number): number {
    if (this.#line === undefined) return 0;
    const { delayMs = 0, bytesPerSecond = Number.POSITIVE_INFINITY, lossShare = 0, random = Math.random } = this.#line;
    this.#lineFreeMs = Math.max(performance.now(), this.#lineFreeMs) + (length / bytesPerSecond) * secondMs;
    const lostMs = random() < lossShare ? retransmitMs + delayMs : 0;
    // TCP hands on in order: what stands behind a lost segment waits with it.
    this.#lastDueMs = Math.max(this.#lastDueMs, this.#lineFreeMs + delayMs + lostMs);
    return this.#lastDueMs;
  }

  #run(): void {
    while (!this.#isHeld && !this.#isOver && this.#timer === undefined) {
      const [next] = this.#queue;
      if (next === undefined) break;
      const waitMs = next.dueMs - performance.now();
      if (waitMs > 0) {
        this.#timer = setTimeout(() => {
          this.#timer = undefined;
          this.#run();
        }, waitMs);
        return;
      }
      this.#queue.shift();
      this.#queuedBytes -= bytesIn(next);
      if (next.content === "end") this.#sink.end();
      else if (next.content === "reset") this.#sink.resetAndDestroy();
      else this.#hand(next.content);
    }
    this.#breathe();
  }

  #hand(bytes: Buffer): void {
    const { cut } = this;
    const left = cut === undefined ? bytes.length : cut.afterBytes - this.passedBytes;
    const passed = left < bytes.length ? bytes.subarray(0, left) : bytes;
    this.passedBytes += passed.length;
    if (passed.length > 0) this.#sink.write(passed);
    if (cut === undefined || this.passedBytes < cut.afterBytes) return;
    this.#isOver = true;
    this.wasCut = true;
    if (cut.how === "fin") this.#sink.end();
    else this.#onCut(cut.how);
  }

  /** Reads on while there is room: held for long, the source feels that nobody reads. */
  #breathe(): void {
    const isFull = this.#queuedBytes >= maxQueuedBytes || this.#sink.writableNeedDrain;
    if (isFull && !this.#isOver) this.#source.pause();
    else this.#source.resume();
  }
}
