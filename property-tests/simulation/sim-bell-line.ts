/**
 * The bells that one process hears of what others append to the streams that it follows. They are hints: one may be late,
 * come twice, be overtaken or be lost; a slow look at the followed streams, and one after each break, makes good what was
 * lost. Stands between the disk and `sim-log`, in the place of an adapter's bell line.
 */
import type { StreamKey } from "../../protocol/ids.ts";
import type { Bell, Position } from "../../src/log/event-log.ts";
import type { Chance } from "./chance.ts";
import type { SimProcess } from "./sim-process.ts";
import type { RareState } from "./sometimes.ts";
import type { StoreLine } from "./store-line.ts";
import type { VirtualTime } from "./virtual-time.ts";

export interface SimBellLineTerms {
  readonly time: VirtualTime;
  readonly process: SimProcess;
  readonly chance: Chance;
  readonly line: StoreLine;
  /** A bell is heard within this when nothing is wrong. */
  readonly bellMs: number;
  readonly ring: (bell: Bell) => void;
  /** Where these streams stand, by the store. Fails: `LogUnavailable`. */
  readonly positions: (streams: readonly StreamKey[]) => Promise<readonly Position[]>;
  readonly rare: (state: RareState) => void;
}

export interface SimBellLine {
  /** Another process has committed. */
  hear(bell: Bell): void;
  /** This one has. */
  advanced(bell: Bell): void;
  follow(stream: StreamKey): Promise<() => void>;
  close(): void;
}

/** Between two looks at the followed streams. */
const pollMs = 5_000;
const doubledShare = 0.05;
const lostShare = 0.7;

interface Followed {
  holders: number;
  head: number;
}

export function simBellLine(terms: SimBellLineTerms): SimBellLine {
  const { time, process, chance, line, bellMs, ring, positions, rare } = terms;
  const followed = new Map<StreamKey, Followed>();
  let isClosed = false;
  let hasBroken = false;

  function arrive({ stream, epoch, head }: Bell): void {
    const known = followed.get(stream);
    if (known === undefined) return;
    if (head < known.head) rare("a bell of another process comes behind a newer one");
    known.head = Math.max(known.head, head);
    ring({ stream, epoch, head });
  }

  function send(bell: Bell): void {
    const delayMs = chance.between(0, bellMs + line.bellDelayMs);
    time.after(delayMs, `${process.name} hears a bell`, () => process.enter(chance.pick(ways), () => arrive(bell)));
  }

  /** Rings the followed streams that have grown; after a break each of them, for their history may be another. */
  async function look(isAll: boolean): Promise<void> {
    const streams = [...followed.keys()];
    if (streams.length === 0) return;
    const found = await positions(streams);
    streams.forEach((stream, at) => {
      const known = followed.get(stream);
      const position = found[at];
      if (known === undefined || position === undefined || (!isAll && position.head <= known.head)) return;
      if (position.head > known.head) rare("a bell that was lost is made good");
      known.head = position.head;
      ring({ stream, epoch: position.epoch, head: position.head });
    });
  }

  async function poll(): Promise<void> {
    if (isClosed) return;
    const isAll = hasBroken;
    hasBroken = false;
    await look(isAll).catch(() => {
      hasBroken = true;
    });
    pollLater();
  }

  function pollLater(): void {
    time.after(pollMs, `${process.name} looks for bells`, () => process.enter("bells", () => void poll()));
  }

  line.onMend = () =>
    process.enter("bells", () => {
      look(true).catch(() => {
        hasBroken = true;
      });
    });
  pollLater();

  return {
    hear: (bell) => {
      if (!followed.has(bell.stream) || line.areBellsBroken) return;
      if (line.losesBells && chance.is(lostShare)) return;
      send(bell);
      if (chance.is(doubledShare)) send(bell);
    },
    advanced: ({ stream, head }) => {
      const known = followed.get(stream);
      if (known) known.head = Math.max(known.head, head);
    },
    follow: async (stream) => {
      const known = followed.get(stream) ?? { holders: 0, head: 0 };
      known.holders += 1;
      followed.set(stream, known);
      let isOver = false;
      const stop = (): void => {
        if (isOver) return;
        isOver = true;
        known.holders -= 1;
        if (known.holders === 0) followed.delete(stream);
      };
      try {
        const [position] = await positions([stream]);
        known.head = Math.max(known.head, position?.head ?? 0);
        return stop;
      } catch (cause) {
        stop();
        throw cause;
      }
    },
    close: () => {
      isClosed = true;
      followed.clear();
    },
  };
}

/** A stopped process takes what came by one way in order; bells overtake each other. */
const ways = ["bells", "other bells"] as const;
