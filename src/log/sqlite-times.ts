/** How old the events of a stream are, found by halving: rows that fail their checksum say nothing and are passed over. */
import type { DatabaseSync } from "node:sqlite";
import { unpackChunk } from "./chunk.ts";
import type { SqliteEvents } from "./sqlite-events.ts";

export interface StreamTimes {
  /** The last offset that is older than a moment; all of them when no record is sound. */
  oldUpto(before: string): number;
  /** Time of the first sound event from an offset on. */
  firstFrom(offset: number): string | undefined;
}

interface Row {
  readonly first: number;
  readonly last: number;
  readonly firstTime: string;
  readonly lastTime: string;
}

export function timesOf(
  database: DatabaseSync,
  events: SqliteEvents,
  stream: { readonly id: number; readonly key: string; readonly first: number; readonly head: number },
): StreamTimes {
  const { id, first, head } = stream;
  const select = database.prepare(
    "SELECT last_offset FROM events WHERE stream = ? AND last_offset BETWEEN ? AND ? ORDER BY last_offset",
  );
  select.setReturnArrays(true);

  /** The first sound row that ends at an offset or behind it. */
  function soundFrom(offset: number): Row | undefined {
    for (const found of select.iterate(id, offset, head)) {
      const [last] = found as unknown as [number];
      const chunk = events.endingAt(stream, last);
      if (chunk === undefined) continue;
      const times: string[] = [];
      unpackChunk(chunk, ({ time }) => times.push(time) > 0);
      return { first: chunk.firstOffset, last, firstTime: times[0] ?? "", lastTime: times.at(-1) ?? "" };
    }
    return undefined;
  }

  return {
    oldUpto: (before) => {
      if (soundFrom(first) === undefined) return head;
      let [low, high] = [first - 1, head];
      while (low < high) {
        const middle = low + Math.ceil((high - low) / 2);
        const row = soundFrom(middle);
        if (row === undefined) high = middle - 1;
        else if (row.lastTime < before) low = row.last;
        else high = Math.min(middle, row.first) - 1;
      }
      return low;
    },
    firstFrom: (offset) => soundFrom(offset)?.firstTime,
  };
}
