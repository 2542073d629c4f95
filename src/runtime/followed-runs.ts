/**
 * Runs whose runner is embedded in this process, on a log that other processes write to as well: when the log rings for
 * their stream, they hear what was written there (a cancellation, an answer). Stands between the log's bells and `runs`.
 */
import type { StreamKey } from "../../protocol/ids.ts";
import type { EventLog } from "../log/event-log.ts";
import type { Deadline, Deadlines } from "./deadlines.ts";
import type { LiveRun } from "./live-run.ts";

/** A runner that has just begun speaks at once, as a rule: what is written under its expected seq needs no look. */
const firstLookMs = 100;

export class FollowedRuns {
  private readonly log: Pick<EventLog, "follow">;
  private readonly deadlines: Deadlines;
  private readonly ofStream = new Map<StreamKey, Set<LiveRun>>();

  constructor(log: Pick<EventLog, "follow" | "watch">, deadlines: Deadlines) {
    this.log = log;
    this.deadlines = deadlines;
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
    let firstLook: Deadline | undefined;
    void line?.then(() => {
      if (isOver) return;
      run.unproven = {};
      firstLook = this.deadlines.after(firstLookMs, () => {
        if (run.unproven !== undefined) this.look(run);
      });
    });
    return () => {
      if (isOver) return;
      isOver = true;
      firstLook?.cancel();
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
