/**
 * One log as several processes see it: each has a view of its own, whose bells ring with events for what it appended
 * itself, and without for what the others appended to the streams that it follows. How a bell reaches another process is
 * up to the test: it may be late, or lost. Stands between a memory log and the runtimes of a test.
 */
import type { StreamKey } from "../../../protocol/ids.ts";
import { bells } from "../../log/bells.ts";
import type { Bell, EventLog } from "../../log/event-log.ts";

/** Takes a bell to another process: now, later, or never. */
export type BellLine = (ring: () => void) => void;

export interface SharedView extends EventLog {
  /** Streams that are followed now. */
  readonly followedCount: number;
  /** The line is there again: every followed stream is rung once, with where it stands. */
  mend(): Promise<void>;
}

export interface SharedStore {
  /** The log as one more process sees it. */
  view(line?: BellLine): SharedView;
}

export function sharedStore(log: EventLog): SharedStore {
  /** By the id of the first event of an append that is under way: whose it is. */
  const writers = new Map<string, object>();
  return {
    view: (line = queueMicrotask) => {
      const self = {};
      const mine = bells();
      const followed = new Map<StreamKey, number>();
      const ring = ({ stream, epoch, head }: Bell): void => {
        if (followed.has(stream)) mine.ring({ stream, epoch, head });
      };
      const unwatch = log.watch((bell) => {
        if (writers.get(bell.events?.[0]?.id ?? "") === self) mine.ring(bell);
        else if (followed.has(bell.stream)) line(() => ring(bell));
      });
      return {
        ...log,
        isShared: true,
        get followedCount() {
          return followed.size;
        },
        append: async (append) => {
          const id = append.events[0]?.id ?? "";
          writers.set(id, self);
          try {
            return await log.append(append);
          } finally {
            writers.delete(id);
          }
        },
        watch: mine.watch,
        follow: async (stream) => {
          followed.set(stream, (followed.get(stream) ?? 0) + 1);
          let isOver = false;
          return () => {
            if (isOver) return;
            isOver = true;
            const left = (followed.get(stream) ?? 1) - 1;
            if (left === 0) followed.delete(stream);
            else followed.set(stream, left);
          };
        },
        mend: async () => {
          for (const stream of [...followed.keys()]) ring({ stream, ...(await log.position(stream)) });
        },
        close: async () => {
          unwatch();
          mine.clear();
        },
      };
    },
  };
}
