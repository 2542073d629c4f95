/** What `fixtures/keyed-script` said, and whether a store keeps its word: the oracle of the kills and the power cuts. */
import { fileURLToPath } from "node:url";
import type { StreamKey } from "../../../protocol/ids.ts";
import type { Position, StoredEvent } from "../../../src/log/event-log.ts";
import type { SqliteStore } from "../../../src/log/sqlite-store.ts";
import { takeSlice } from "../../../src/log/sqlite-slice.ts";
import { alice, bob, run1, tenant, wide } from "../../../src/testing/event-log/sample.ts";

export const keyedScript = fileURLToPath(new URL("../../log/fixtures/keyed-script.ts", import.meta.url));

export interface Promised {
  /** Of the last that it said. */
  readonly epoch: string | undefined;
  /** Offsets of the last event of each append, by its name. */
  readonly acks: ReadonlyMap<string, number>;
  /** Of the run's newest claim. */
  readonly fence: number;
}

export function promisedBy(said: readonly string[]): Promised {
  let epoch: string | undefined;
  let fence = 0;
  const acks = new Map<string, number>();
  for (const line of said) {
    const [what, first = "", second = ""] = line.split(" ");
    if (what === "epoch") epoch = first;
    if (what === "ack") acks.set(first, Number(second));
    if (what === "claim") fence = Number(first);
  }
  return { epoch, acks, fence };
}

export interface Found {
  readonly epoch: string;
  readonly streams: readonly (Pick<Position, "head"> & {
    readonly stream: StreamKey;
    readonly events: readonly StoredEvent[];
    readonly corrupt: readonly number[];
  })[];
  /** Of `run1`; 0 when there is no such run. */
  readonly fence: number;
}

/** Everything that the script could have written. */
export function foundIn({ reader, epoch }: SqliteStore): Found {
  const streams = [alice, bob].map((stream) => {
    const { first, head, cells, corrupt } = reader.read(stream, 0, wide);
    return { stream, head, ...takeSlice(cells, corrupt, first, wide) };
  });
  return { epoch, streams, fence: reader.run(tenant, run1)?.fence ?? 0 };
}

export interface Broken {
  /** Acknowledged appends that are not there as they were said. */
  readonly lost: number;
  /** Offsets that are not there exactly once, in order, sound. */
  readonly holes: number;
  readonly epochChanged: boolean;
  readonly fenceLost: boolean;
}

/** What of the promise does not hold. */
export function broken({ epoch, acks, fence }: Promised, found: Found): Broken {
  let [lost, holes] = [0, 0];
  for (const { head, events, corrupt } of found.streams) {
    holes += corrupt.length + Math.abs(head - events.length);
    holes += events.filter(({ offset }, index) => offset !== index + 1).length;
  }
  for (const [name, offset] of acks) {
    const stream = found.streams.find((one) => one.stream === (name.endsWith(".4") ? bob : alice));
    const event = stream?.events[offset - 1];
    const isThere = name === "run" ? event?.id === "id-run-1 started" : event?.id === `id-${name}/b`;
    const isWhole = name === "run" || stream?.events[offset - 2]?.id === `id-${name}/a`;
    if (!isThere || !isWhole) lost += 1;
  }
  const ids = found.streams.flatMap(({ events }) => events.map(({ id }) => id));
  holes += ids.length - new Set(ids).size;
  return {
    lost,
    holes,
    epochChanged: epoch !== undefined && epoch !== found.epoch,
    fenceLost: found.fence < fence,
  };
}
