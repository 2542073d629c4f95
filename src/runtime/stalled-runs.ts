/** Runs that are stalled now, for who comes back by cursor: what is told beside the stream is not replayed. */
import type { RunId, StreamKey } from "../../protocol/ids.ts";
import type { RunRecord } from "../log/event-log.ts";

type Named = Pick<RunRecord, "stream" | "runId">;

export class StalledRuns {
  private readonly byStream = new Map<StreamKey, Set<RunId>>();

  note({ stream, runId }: Named, isStalled: boolean): void {
    const known = this.byStream.get(stream) ?? new Set();
    if (isStalled) this.byStream.set(stream, known.add(runId));
    else known.delete(runId);
    if (known.size === 0) this.byStream.delete(stream);
  }

  has({ stream, runId }: Named): boolean {
    return this.byStream.get(stream)?.has(runId) ?? false;
  }

  of(stream: StreamKey): Iterable<RunId> {
    return this.byStream.get(stream) ?? [];
  }

  get count(): number {
    let count = 0;
    for (const runs of this.byStream.values()) count += runs.size;
    return count;
  }
}
