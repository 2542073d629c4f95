/**
 * The log as the runtime writes to it: nobody rings for a write whose answer was lost, though it may be there. So whoever
 * follows its stream looks, as soon as the log answers again (I12). Stands between the runs and `log/watched-log`.
 */
import type { StreamKey } from "../../protocol/ids.ts";
import type { EventLog } from "../log/event-log.ts";
import type { Deadlines } from "./deadlines.ts";
import type { Hubs } from "./hub.ts";

/** Between two looks, while the log does not answer. */
const retryMs = 1_000;

export function doubtedLog(log: EventLog, hubs: Hubs, deadlines: Deadlines): EventLog {
  function look(stream: StreamKey): void {
    // Without followers there is nobody to tell: whoever comes reads the log.
    if (hubs.get(stream) === undefined) return;
    log.position(stream).then(
      ({ epoch, head }) => hubs.ring({ stream, epoch, head }),
      () => deadlines.after(retryMs, () => look(stream)),
    );
  }
  return {
    ...log,
    append: (append) =>
      log.append(append).catch((cause: unknown) => {
        look(append.stream);
        throw cause;
      }),
  };
}
