/**
 * The log as all parts of the runtime read and write it: watched, and with a spool behind breakers where there is one. What
 * that adds to a log's life is here: taking up what was left, figures, the end.
 */
import type { EventLog } from "../log/event-log.ts";
import { type LogHealth, watchedLog } from "../log/watched-log.ts";
import { noSpool, type SpoolHealth, spooledLog } from "../spool/spooled-log.ts";
import type { Breakers } from "./breakers.ts";
import type { GivenSettings } from "./options.ts";

/** A log that says how it is. */
export type RuntimeLog = EventLog & { health(): LogHealth & SpoolHealth };

export interface GuardedLog {
  readonly log: RuntimeLog;
  /** Before the doors open. Fails: `LogUnavailable`. */
  recover(): Promise<void>;
  /** Its end is near: nothing is tried any more. */
  rest(): Promise<void>;
}

export interface GuardedLogHooks {
  /** Readers were shown a history that the log will not have. */
  readonly onNewEpoch: () => void;
  /** Whether operators let it be used. */
  readonly isOn: (flag: "fallbacks.spool" | "fallbacks.direct") => boolean;
}

export function guardedLog(settings: GivenSettings, breakers: Breakers, hooks: GuardedLogHooks): GuardedLog {
  const { onNewEpoch, isOn } = hooks;
  const { clock, journal, spool } = settings;
  const watched = watchedLog(settings.log, settings);
  const spooled =
    spool &&
    spooledLog(watched, {
      ...{ ...spool, clock, journal, onNewEpoch },
      allows: { spool: () => isOn("fallbacks.spool"), direct: () => isOn("fallbacks.direct") },
      guards: { log: breakers.of("log"), spool: breakers.of("spool") },
    });
  return {
    log: {
      ...(spooled ?? watched),
      isShared: settings.log.isShared,
      health: () => ({ ...watched.health(), ...(spooled?.spoolHealth() ?? noSpool) }),
    },
    recover: async () => spooled?.recover(),
    rest: async () => {
      await spooled?.rest();
      watched.rest();
    },
  };
}
