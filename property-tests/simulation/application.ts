/**
 * The application of one device, and what it remembers: every event that the client handed to it, in which stretch of
 * which stream. A durable one commits that together with its cursor, as an application with side effects must (L5).
 */
import type { StreamEvent } from "../../protocol/event.ts";
import type { Cursor } from "../../protocol/ids.ts";
import type { Gap } from "../../src/client/stream-position.ts";

/** Events that follow each other, from a known place on. */
export interface Stretch {
  /** Nothing at or before it belongs here. */
  readonly start: number;
  readonly events: StreamEvent[];
  /** Declared: they will not come. Both inclusive. */
  readonly holes: (readonly [from: number, upto: number])[];
  at: number;
  /** It began in the middle of a stream, with the living runs folded or with nothing. */
  readonly begunWith: "cursor" | "snapshot" | "nothing";
}

export class Application {
  stretches: Stretch[] = [];
  private saved: { readonly cursor: Cursor; readonly stretches: readonly Stretch[] } | undefined;
  private readonly violate: (law: string, what: string) => void;

  constructor(violate: (law: string, what: string) => void) {
    this.violate = violate;
  }

  get cursor(): Cursor | undefined {
    return this.saved?.cursor;
  }

  /** Another life of it: from what it had committed, or from nothing. */
  reborn(): void {
    this.stretches = copied(this.saved?.stretches ?? []);
    if (this.saved === undefined) return;
    const { offset } = this.saved.cursor;
    const last = this.stretches.at(-1);
    // What its place covers was handed over, even where nothing was left to hand over.
    if (last) last.at = Math.max(last.at, offset);
    this.begin(offset, "cursor");
  }

  forget(): void {
    this.saved = undefined;
    this.stretches = [];
  }

  begin(start: number, begunWith: Stretch["begunWith"]): void {
    this.stretches.push({ start, events: [], holes: [], at: start, begunWith });
  }

  take(event: StreamEvent): void {
    const stretch = this.stretches.at(-1);
    if (stretch === undefined) return this.violate("L4", `event ${event.offset} before the stream began`);
    if (event.offset <= stretch.at) this.violate("L5", `event ${event.offset} comes after ${stretch.at}`);
    stretch.events.push(event);
    stretch.at = event.offset;
  }

  takeGap({ from, upto, reason }: Gap): void {
    if (reason === "retention" || reason === "durability_none") {
      const stretch = this.stretches.at(-1);
      // The very beginning may be gone already.
      if (stretch === undefined) return this.begin(upto, "nothing");
      stretch.holes.push([from, upto]);
      stretch.at = Math.max(stretch.at, upto);
    } else this.begin(upto, "snapshot");
  }

  /** The client says that everything up to here was handed over, and commits it with what the application made of it. */
  save(cursor: Cursor): void {
    const stretches = copied(this.stretches);
    const last = stretches.at(-1);
    const open = last?.events.filter(({ offset }) => offset > cursor.offset).length ?? 0;
    // It is busy with one at most.
    if (open > 1)
      this.violate("I8", `the place ${cursor.offset} is saved, and ${open} events were handed over behind it`);
    if (last && open > 0) {
      last.events.length -= open;
      last.at = cursor.offset;
    }
    this.saved = { cursor, stretches };
  }

  /** What is left of its place is nonsense: as good as none, and it may see things again. */
  garble(cursor: Cursor): void {
    this.saved = { cursor, stretches: [] };
  }
}

const copied = (stretches: readonly Stretch[]): Stretch[] =>
  stretches.map((stretch) => ({ ...stretch, events: [...stretch.events], holes: [...stretch.holes] }));
