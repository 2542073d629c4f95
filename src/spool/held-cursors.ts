/**
 * Cursors that the log cannot take yet: it is down, or they are of events that it does not have. They are held in memory;
 * a crash costs an ack at most, which the next resume makes good.
 */
import type { DeviceId, Offset, StreamKey } from "../../protocol/ids.ts";
import type { SavedCursor } from "../log/event-log.ts";

export class HeldCursors {
  readonly #streams = new Map<StreamKey, Map<DeviceId, Offset>>();

  get isEmpty(): boolean {
    return this.#streams.size === 0;
  }

  of(stream: StreamKey, device: DeviceId): Offset {
    return this.#streams.get(stream)?.get(device) ?? 0;
  }

  /** The furthest of any device. */
  acked(stream: StreamKey): Offset {
    return Math.max(0, ...(this.#streams.get(stream)?.values() ?? []));
  }

  hold(cursors: readonly SavedCursor[]): void {
    for (const { stream, device, offset } of cursors) {
      const devices = this.#streams.get(stream) ?? new Map<DeviceId, Offset>();
      this.#streams.set(stream, devices);
      if (offset > (devices.get(device) ?? 0)) devices.set(device, offset);
    }
  }

  /** All of them, and holds none any more. */
  take(): readonly SavedCursor[] {
    const cursors = [...this.#streams].flatMap(([stream, devices]) =>
      [...devices].map(([device, offset]) => ({ stream, device, offset })),
    );
    this.#streams.clear();
    return cursors;
  }
}
