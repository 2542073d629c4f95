/** A log of which retention has taken the beginning: everything before `first` is gone, as every adapter shows it. */
import type { Offset } from "../../protocol/ids.ts";
import type { EventLog } from "../../src/log/event-log.ts";

export interface TrimmedLog extends EventLog {
  trimTo(first: Offset): void;
}

export function trimmedLog(log: EventLog): TrimmedLog {
  let first = 1;
  return {
    ...log,
    trimTo: (offset) => {
      first = offset;
    },
    position: async (stream) => ({ ...(await log.position(stream)), first }),
    living: async (stream) => ({ ...(await log.living(stream)), first }),
    read: async (stream, after, limit) => ({
      ...(await log.read(stream, Math.max(after, first - 1), limit)),
      first,
    }),
  };
}
