/** The plain numbers of the runtime, gathered from those who count them. */
import type { Connections } from "./connections.ts";
import type { ContaminationWatch } from "./contamination-watch.ts";
import type { RuntimeLog } from "./guarded-log.ts";
import type { Hubs } from "./hub.ts";
import type { Lookout } from "./lookout.ts";
import type { Retention } from "./retention.ts";
import type { Runs } from "./runs.ts";
import type { RuntimeStats } from "./runtime.ts";
import type { Supervisor } from "./supervisor.ts";

export interface Counting {
  readonly connections: Connections;
  readonly runs: Runs;
  readonly hubs: Hubs;
  readonly supervisor: Supervisor;
  readonly retention: Retention;
  readonly contamination: ContaminationWatch;
  readonly lookout: Lookout;
  readonly log: RuntimeLog;
}

export function statsOf(of: Counting): RuntimeStats {
  const { connections, runs, hubs, supervisor, retention, contamination, lookout, log } = of;
  return {
    connections: connections.count,
    livingRuns: runs.livingCount,
    stalledRuns: connections.stalled.count,
    overdueToolCalls: lookout.overdueCalls(),
    streams: hubs.count,
    acksReceived: connections.acksReceived,
    framesSent: supervisor.counts.framesSent,
    eventsSent: supervisor.counts.eventsSent,
    contaminationRefused: contamination.count,
    ...runs.counts,
    ...retention.counts,
    ...log.health(),
  };
}
