/**
 * Runs whose runner is embedded in this process, on a log that other processes write to as well: when the log rings for
 * their stream, they hear what was written there (a cancellation, an answer). Stands between the log's bells and `runs`.
 */
import type { StreamKey } from "../../protocol/ids.ts";
import type { EventLog } from "../log/event-log.ts";
import type { LiveRun } from "./live-run.ts";

export class FollowedRuns {
  private readonly log: Pick<EventLog, "follow">;
  private readonly ofStream = new Map<StreamKey, Set<LiveRun>>();

  constructor(log: Pick<EventLog, "follow" | "watch">) {
    this.log = log;
    log.watch(({ stream, events }) => {
      // With its events it is from here.
      if (events === undefined) this.rang(stream);
    });
  }

  /** Until the answer is called. What was written before the log follows is heard, too. */
  follow(run: LiveRun): () => void {
    const { stream } = run.record;
    const mine = this.ofStream.get(stream) ?? new Set();
    this.ofStream.set(stream, mine.add(run));
    let isOver = false;
    // A log that does not answer now has the run's next pulse look.
    const line = this.log.follow?.(stream).catch(() => undefined);
    void line?.then(() => {
      if (!isOver) this.look(run);
    });
    return () => {
      if (isOver) return;
      isOver = true;
      mine.delete(run);
      if (mine.size === 0 && this.ofStream.get(stream) === mine) this.ofStream.delete(stream);
      void line?.then((stop) => stop?.());
    };
  }

  private rang(stream: StreamKey): void {
    for (const run of this.ofStream.get(stream) ?? []) this.look(run);
  }

  private look(run: LiveRun): void {
    if (!run.isOver) run.refresh().catch(() => {});
  }
}
