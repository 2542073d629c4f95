/** Who waits for the acks of a user's devices: `delivered` counts with it. `connections` tells of each ack and each end. */
import type { StreamKey } from "../../protocol/ids.ts";

export class AckWaiters {
  private readonly ofStream = new Map<StreamKey, Set<() => void>>();

  /** Calls `task` at each ack and each end of a connection of this user; the answer stops it. */
  add(stream: StreamKey, task: () => void): () => void {
    const waiters = this.ofStream.get(stream) ?? new Set();
    this.ofStream.set(stream, waiters.add(task));
    return () => {
      waiters.delete(task);
      if (waiters.size === 0) this.ofStream.delete(stream);
    };
  }

  tell(stream: StreamKey): void {
    for (const task of [...(this.ofStream.get(stream) ?? [])]) task();
  }
}
