/** A log whose appends are spans. Stands before the watched log, and only where somebody traces. */
import type { Traces } from "../telemetry/traces.ts";
import type { Append, Appended, EventLog } from "./event-log.ts";

const nameOf = (cause: unknown): string => (cause instanceof Error ? cause.name : "unknown");

export function tracedLog<Log extends EventLog>(log: Log, traces: Traces): Log {
  async function append(ask: Append): Promise<Appended> {
    const { events, run } = ask;
    const span = traces.append(events, {
      "runcast.events": events.length,
      ...(run && { "runcast.run_id": run.runId }),
    });
    try {
      const appended = await log.append(ask);
      if (appended.kind === "appended")
        span?.end({ "runcast.offset": appended.offset, ...(run && { "runcast.seq": appended.seq }) });
      else span?.fail(appended.kind);
      return appended;
    } catch (cause) {
      span?.fail(nameOf(cause));
      throw cause;
    }
  }
  return { ...log, append };
}
