/**
 * Where the client is in its stream. Every frame of the stream passes here before anything else sees it: doubles are
 * dropped (L5), holes refused (L4), and only what was taken moves the cursor that the next `hello` resumes from.
 */
import type { StreamEvent } from "../../protocol/event.ts";
import type { EventsFrame, GapFrame, HelloFrame, SnapshotFrame, WelcomeFrame } from "../../protocol/frames.ts";
import type { Cursor, Epoch, Offset } from "../../protocol/ids.ts";

export type StartPoint = NonNullable<HelloFrame["from"]>;

/** Offsets that will not come as events. `snapshot`: the folded state that came stands for them. */
export interface Gap {
  readonly type: "gap";
  readonly from: Offset;
  readonly upto: Offset;
  readonly reason: GapFrame["reason"] | "snapshot";
}

/** What a frame brought: `reset` means that the state folded so far is of a stream that is no more. */
export type Taken<Value> = { readonly ok: true; readonly value: Value } | { readonly ok: false; readonly why: string };

const taken = <Value>(value: Value): Taken<Value> => ({ ok: true, value });
const refused = (why: string): Taken<never> => ({ ok: false, why });

function isEvent(value: unknown): value is StreamEvent {
  if (typeof value !== "object" || value === null) return false;
  const { type, offset, data } = value as Partial<Record<keyof StreamEvent, unknown>>;
  return typeof type === "string" && Number.isSafeInteger(offset) && typeof data === "object" && data !== null;
}

export class StreamPosition {
  readonly #from: StartPoint;
  /** Everything up to here was taken, with all that a resume needs. */
  #cursor: Cursor | undefined;
  #epoch: Epoch | undefined;
  /** The next frame's `after`. Undefined: a snapshot or a gap has to come first. */
  #expected: Offset | undefined;
  /** Frames that were refused, and events that were dropped because they had come before. */
  holes = 0;
  doubles = 0;

  constructor(from: StartPoint, cursor: Cursor | undefined) {
    this.#from = from;
    this.#cursor = cursor;
  }

  get cursor(): Cursor | undefined {
    return this.#cursor;
  }

  /** Where the next frame has to begin; undefined until that is known. */
  get place(): Cursor | undefined {
    return this.#epoch === undefined || this.#expected === undefined
      ? undefined
      : { epoch: this.#epoch, offset: this.#expected };
  }

  /** What `hello` says of the place. */
  get hello(): Pick<HelloFrame, "cursor" | "from"> {
    return this.#cursor === undefined ? { from: this.#from } : { cursor: this.#cursor };
  }

  /** A connection begins. Refused: the answer does not fit what was asked. */
  welcome({ epoch, head, resumed }: WelcomeFrame): Taken<undefined> {
    this.#epoch = epoch;
    this.#expected = undefined;
    if (resumed === "replayed") {
      if (this.#cursor?.epoch !== epoch) return refused("the server replays from a cursor that was never given");
      this.#expected = this.#cursor.offset;
    } else if (resumed === "fresh") {
      if (this.#cursor !== undefined) return refused("the server begins afresh, without a gap");
      // At once: a cut before the first frame must not begin at a later head.
      this.#moveTo(this.#from === "start" ? 0 : head);
    }
    return taken(undefined);
  }

  /** The events of a frame that did not come before. */
  events({ after, upto, events }: EventsFrame): Taken<readonly StreamEvent[]> {
    if (this.#expected === undefined || after > this.#expected) return this.#hole(after);
    const fresh: StreamEvent[] = [];
    let last = this.#expected;
    for (const event of events) {
      if (!isEvent(event) || event.offset > upto) return this.#hole(after);
      if (event.offset <= last) {
        this.doubles += 1;
        continue;
      }
      last = event.offset;
      fresh.push(event);
    }
    if (upto > this.#expected) this.#moveTo(upto);
    return taken(fresh);
  }

  /** A declared hole. `reset`: our cursor's stream is no more, and a snapshot follows. */
  gap({ from, upto, reason }: GapFrame): Taken<{ readonly gap: Gap; readonly reset: boolean } | undefined> {
    const isOther = this.#cursor !== undefined && this.#cursor.epoch !== this.#epoch;
    const reset = reason === "epoch" || reason === "ahead" || isOther;
    const value = { gap: { type: "gap", from, upto, reason }, reset } as const;
    if (reset) {
      // The cursor stays until the snapshot is here: a cut in between must bring both again.
      this.#expected = upto;
      return taken(value);
    }
    const at = this.#expected ?? this.#cursor?.offset ?? 0;
    if (from > at + 1) return this.#hole(from - 1);
    if (upto <= at) {
      this.#expected = at;
      return taken(undefined);
    }
    this.#moveTo(upto);
    return taken(value);
  }

  /** A folded state. The gap is what it jumps over without one declared, for those who read events. */
  snapshot({ at }: SnapshotFrame): Taken<Gap | undefined> {
    const before = this.#expected ?? (this.#cursor?.epoch === this.#epoch ? this.#cursor?.offset : undefined);
    if (before !== undefined && at < before) return this.#hole(at);
    this.#moveTo(at);
    return taken(
      before === undefined || at === before
        ? undefined
        : { type: "gap", from: before + 1, upto: at, reason: "snapshot" },
    );
  }

  #moveTo(offset: Offset): void {
    this.#expected = offset;
    if (this.#epoch !== undefined) this.#cursor = { epoch: this.#epoch, offset };
  }

  #hole(after: Offset): Taken<never> {
    this.holes += 1;
    return refused(`a hole in the stream: at ${this.#expected ?? "no place yet"}, got after ${after}`);
  }
}
