/** Pages out of the memory log's lists, which are ascending by offset and by seq and no longer dense once compacted. */
import type { Offset } from "../../protocol/ids.ts";
import type { ReadLimit, StoredEvent } from "./event-log.ts";
import { coverOf, type Cuts, restOf } from "./merged-delta.ts";

/** Events whose place is beyond `after`, within `limit`; of one that began before it, the rest. */
export function sliceAfter(
  events: readonly StoredEvent[],
  cuts: ReadonlyMap<Offset, Cuts>,
  place: "offset" | "seq",
  after: number,
  limit: ReadLimit,
): readonly StoredEvent[] {
  const placeOf = (event: StoredEvent | undefined): number => event?.[place] ?? 0;
  let low = 0;
  for (let high = events.length; low < high; ) {
    const middle = (low + high) >>> 1;
    if (placeOf(events[middle]) <= after) low = middle + 1;
    else high = middle;
  }
  const taken: StoredEvent[] = [];
  let bytes = 0;
  for (let at = low; at < events.length && taken.length < limit.maxEvents; at++) {
    const whole = events[at];
    if (whole === undefined) break;
    const cut = cuts.get(whole.offset);
    const event = restOf(whole, cut, after - (placeOf(whole) - coverOf(cut)));
    bytes += event.data.length;
    if (bytes > limit.maxBytes && taken.length > 0) break;
    taken.push(event);
  }
  return taken;
}
