/**
 * What publishers said and were told: the oracle of L6, I18 and L14, by the word of the answers alone. A word is known
 * again by the mark in its event. It knows nothing of runs, machines or frames.
 */
import type { Epoch } from "../../protocol/ids.ts";
import type { SeenEvent } from "../support/model.ts";
import { marksOf } from "../support/model.ts";
import type { Kept } from "./history.ts";

export interface Batch {
  readonly stream: string;
  readonly runId: string | undefined;
  readonly marks: readonly string[];
  /** The newest fence under which it was tried. */
  fence: number;
  /** `unknown`: nobody has said; it may be there, once. `lost`: it was accepted, and an old copy was put back. */
  fate: "unknown" | "accepted" | "refused" | "lost";
  /** Of its last event, by the answer. */
  offset?: number | undefined;
  /** So many of it are kept apart. */
  apart: number;
}

export interface Claim {
  readonly runId: string;
  readonly fence: number;
  readonly seq: number;
}

export class Words {
  readonly batches: Batch[] = [];
  claims: Claim[] = [];
  epoch: Epoch;

  constructor(epoch: Epoch) {
    this.epoch = epoch;
  }

  say(stream: string, runId: string | undefined, marks: readonly string[], fence = 0): Batch {
    const batch: Batch = { stream, runId, marks, fence, fate: "unknown", apart: 0 };
    this.batches.push(batch);
    return batch;
  }

  /** Another history took the place: what stood behind its head is gone, and everybody was told. */
  replaced(epoch: Epoch, headOf: (stream: string) => number): void {
    for (const batch of this.batches) {
      if (batch.fate === "accepted" && (batch.offset ?? 0) > headOf(batch.stream)) batch.fate = "lost";
      if (batch.fate === "lost") batch.offset = undefined;
    }
    this.claims = [];
    this.epoch = epoch;
  }

  /** Holds the words of one stream against what it really has. */
  judge(stream: string, kept: readonly Kept[], mayForget: boolean, violate: (law: string, what: string) => void): void {
    const places = placesOf(kept);
    for (const batch of this.batches) {
      if (batch.stream !== stream) continue;
      const found = batch.marks.map((mark) => places.get(mark) ?? []);
      const there = found.filter((offsets) => offsets.length > 0).length;
      const name = `${batch.runId ?? "notice"} ${batch.marks.join(",")}`;
      // A key that was retired is known no more.
      if (found.some((offsets) => offsets.length > 1) && !mayForget)
        violate("I18", `${name} stands twice in ${stream}`);
      if (batch.fate === "refused" && there > 0) violate("I3", `${name} was refused and stands in ${stream}`);
      if (batch.fate !== "accepted") continue;
      if (there !== batch.marks.length - batch.apart)
        violate(
          "L6",
          `${name} was accepted; ${there} of ${batch.marks.length} stand in ${stream}, ${batch.apart} apart`,
        );
      const order = found.flat();
      if (mayForget) continue;
      if (order.some((offset, at) => offset <= (order[at - 1] ?? 0)))
        violate("L3", `${name} stands at ${order.join()}`);
      if (batch.apart === 0 && batch.offset !== undefined && batch.offset !== order.at(-1))
        violate("I18", `${name} was said to stand at ${batch.offset} and stands at ${order.join()}`);
    }
    this.judgeFences(kept, violate);
  }

  /** L14: behind a claim nobody with an older fence has written. */
  private judgeFences(kept: readonly Kept[], violate: (law: string, what: string) => void): void {
    const fences = new Map(this.batches.flatMap(({ marks, fence }) => marks.map((mark) => [mark, fence] as const)));
    for (const { runId, fence, seq } of this.claims)
      for (const event of kept) {
        if (event.runId !== runId || (event.seq ?? 0) <= seq) continue;
        for (const mark of markedBy(event))
          if ((fences.get(mark) ?? fence) < fence)
            violate("L14", `${mark} of fence ${fences.get(mark)} stands behind the claim of ${fence} at ${seq}`);
      }
  }
}

const markedBy = (event: Kept): readonly string[] =>
  marksOf({ ...event, data: JSON.parse(event.data) as unknown } as SeenEvent);

function placesOf(kept: readonly Kept[]): ReadonlyMap<string, readonly number[]> {
  const places = new Map<string, number[]>();
  for (const event of kept)
    for (const mark of markedBy(event)) places.set(mark, [...(places.get(mark) ?? []), event.offset]);
  return places;
}
