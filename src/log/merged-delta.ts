/**
 * A delta that stands for those before it, as compaction leaves it: the last one's place, all of their text, and the
 * cut points, so that a reader who comes back from between them gets exactly what it lacks. Every adapter joins and
 * cuts here, so that all of them give the same answers (L9, L15).
 */
import { parseTrusted } from "../../protocol/json.ts";
import { bareDelta, type Delta, isSameText } from "./delta.ts";
import type { StoredEvent } from "./event-log.ts";

/** Text lengths of the deltas that were joined, oldest first. Their offsets and seqs end with the event's own. */
export type Cuts = readonly number[];

/** An event as a log keeps it. */
export interface Kept {
  readonly event: StoredEvent;
  readonly cuts?: Cuts | undefined;
}

/** Offsets that one event covers: a page of a reader holds several of the longest. */
export const maxCuts = 512;
/** UTF-16 units of one merged text. */
const maxTextUnits = 16 * 1_024;

/** How many offsets it covers, its own included. */
export const coverOf = (cuts: Cuts | undefined): number => cuts?.length ?? 1;

/** What is left of an event for a reader that has the first `seen` of the offsets it covers. */
export function restOf(event: StoredEvent, cuts: Cuts | undefined, seen: number): StoredEvent {
  if (cuts === undefined || seen <= 0) return event;
  const delta = parseTrusted(event.data) as Delta;
  let from = 0;
  for (const length of cuts.slice(0, seen)) from += length;
  return { ...event, data: JSON.stringify({ ...delta, text: delta.text.slice(from) }) };
}

/** Joins what may be joined. `kept` is ascending, of one stream; the events between them may be anybody's. */
export function joinDeltas(kept: readonly Kept[]): readonly Kept[] {
  const joined: Kept[] = [];
  let open: Joining | undefined;
  const close = (): void => {
    if (open !== undefined) joined.push(open.result());
    open = undefined;
  };
  for (const one of kept) {
    const delta = one.event.repaired === true ? undefined : bareDelta(one.event);
    if (open !== undefined && delta !== undefined && open.take(one, delta)) continue;
    close();
    if (delta === undefined) joined.push(one);
    else open = new Joining(one, delta);
  }
  close();
  return joined;
}

class Joining {
  #last: Kept;
  readonly #delta: Delta;
  readonly #texts: string[];
  readonly #cuts: number[];
  #units: number;
  #count = 1;

  constructor(first: Kept, delta: Delta) {
    this.#last = first;
    this.#delta = delta;
    this.#texts = [delta.text];
    this.#cuts = [...(first.cuts ?? [delta.text.length])];
    this.#units = delta.text.length;
  }

  /** False: it does not go on here, or there would be too much. */
  take(next: Kept, delta: Delta): boolean {
    const { event } = this.#last;
    const cover = coverOf(next.cuts);
    const isNeighbour =
      next.event.offset - cover === event.offset &&
      next.event.threadId === event.threadId &&
      isSameText(event, next.event, this.#delta, delta);
    if (!isNeighbour) return false;
    if (this.#cuts.length + cover > maxCuts || this.#units + delta.text.length > maxTextUnits) return false;
    this.#last = next;
    this.#texts.push(delta.text);
    this.#cuts.push(...(next.cuts ?? [delta.text.length]));
    this.#units += delta.text.length;
    this.#count += 1;
    return true;
  }

  result(): Kept {
    if (this.#count === 1) return this.#last;
    const data = JSON.stringify({ ...this.#delta, text: this.#texts.join("") });
    return { event: { ...this.#last.event, data }, cuts: this.#cuts };
  }
}
