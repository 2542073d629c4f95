/**
 * The rows of the outbox that wait in this process: found by user when an ack comes, and by time when their wait is over.
 * Rows of one tick share one entry of the wheel, so 100,000 of them cost a few hundred. It is bounded: a row that finds
 * no room stands in the log, and `escalations` looks there again.
 */
import type { Offset, StreamKey } from "../../protocol/ids.ts";
import type { OutboxRow } from "../log/outbox.ts";
import type { Deadline, Deadlines } from "./deadlines.ts";

/** As it is known here; the rest is read when its time comes. */
export type WaitingRow = Pick<OutboxRow, "stream" | "offset" | "state" | "note" | "version">;

interface Waiting {
  readonly row: WaitingRow;
  /** Where it stands: in a tick, or among those whose time has come. */
  place: Set<Waiting>;
  readonly tick: number;
}

interface Tick {
  readonly waiting: Set<Waiting>;
  readonly deadline: Deadline;
}

/** Rows that come due within it are taken together: no more than the wheel itself is late. */
const tickMs = 50;

export class WaitingRows {
  private readonly deadlines: Deadlines;
  private readonly maxRows: number;
  private readonly onDue: () => void;
  /** Their time has come, and nobody has taken them yet; oldest first. */
  private readonly due = new Set<Waiting>();
  private readonly ofStream = new Map<StreamKey, Map<Offset, Waiting>>();
  private readonly ticks = new Map<number, Tick>();
  private count = 0;

  constructor(deadlines: Deadlines, maxRows: number, onDue: () => void) {
    this.deadlines = deadlines;
    this.maxRows = maxRows;
    this.onDue = onDue;
  }

  get size(): number {
    return this.count;
  }

  has(stream: StreamKey, offset: Offset): boolean {
    return this.ofStream.get(stream)?.has(offset) === true;
  }

  /** False: there is no room for it. */
  add(row: WaitingRow, dueMono: number): boolean {
    if (this.has(row.stream, row.offset)) return true;
    if (this.count >= this.maxRows) return false;
    const at = Math.ceil(dueMono / tickMs);
    const tick = this.ticks.get(at) ?? this.newTick(at);
    const waiting: Waiting = { row, place: tick.waiting, tick: at };
    const mine = this.ofStream.get(row.stream) ?? new Map<Offset, Waiting>();
    this.ofStream.set(row.stream, mine.set(row.offset, waiting));
    this.count += 1;
    tick.waiting.add(waiting);
    return true;
  }

  /** Drops those of a user up to an offset, and says how many. */
  drop(stream: StreamKey, upto: Offset): number {
    let dropped = 0;
    for (const [offset, waiting] of this.ofStream.get(stream) ?? []) {
      if (offset > upto) continue;
      this.remove(waiting);
      dropped += 1;
    }
    return dropped;
  }

  /** Hands out a row whose time has come. */
  take(): WaitingRow | undefined {
    const [first] = this.due;
    if (first !== undefined) this.remove(first);
    return first?.row;
  }

  private newTick(at: number): Tick {
    const deadline = this.deadlines.at(at * tickMs, () => {
      this.ticks.delete(at);
      for (const waiting of tick.waiting) {
        waiting.place = this.due;
        this.due.add(waiting);
      }
      this.onDue();
    });
    const tick: Tick = { waiting: new Set<Waiting>(), deadline };
    this.ticks.set(at, tick);
    return tick;
  }

  private remove(waiting: Waiting): void {
    const { stream, offset } = waiting.row;
    const mine = this.ofStream.get(stream);
    mine?.delete(offset);
    if (mine?.size === 0) this.ofStream.delete(stream);
    this.count -= 1;
    waiting.place.delete(waiting);
    if (waiting.place.size > 0 || waiting.place === this.due) return;
    this.ticks.get(waiting.tick)?.deadline.cancel();
    this.ticks.delete(waiting.tick);
  }
}
