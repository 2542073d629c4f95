/**
 * A log with a spool, both of which fail when the test says so: what outlives a process is the world, `crash` begins the
 * next process in it.
 */
import { memoryLog } from "../../src/log/memory.ts";
import type { EventLog } from "../../src/log/event-log.ts";
import { Breakers } from "../../src/runtime/breakers.ts";
import { Deadlines } from "../../src/runtime/deadlines.ts";
import { Supervisor } from "../../src/runtime/supervisor.ts";
import { type SpooledLog, type SpooledLogTerms, spooledLog } from "../../src/spool/spooled-log.ts";
import { type ManualClock, manualClock, turn } from "../../src/testing/manual-clock.ts";
import { FailingSpool } from "./failing-spool.ts";
import { type FaultyLog, faultyLog } from "./faulty-log.ts";

export interface SpooledWorld {
  readonly clock: ManualClock;
  /** What stands in the log, whoever asks. */
  readonly store: EventLog;
  readonly spool: FailingSpool;
  readonly journal: { readonly what: string; readonly fields?: Readonly<Record<string, unknown>> | undefined }[];
  /** Of the process that runs now. */
  readonly log: () => SpooledLog;
  readonly faults: () => FaultyLog;
  readonly breakers: () => Breakers;
  readonly newEpochs: () => number;
  /** The process is gone, without a warning; the next one takes up what is there. */
  readonly crash: () => Promise<SpooledLog>;
  /** Lets what is under way come to rest. */
  readonly settle: () => Promise<void>;
  /** Time, in steps that let everything happen. */
  readonly pass: (ms: number) => Promise<void>;
}

const settleTurns = 6;
const shortStepMs = 50;
/** Of a long wait: the drain comes once a second. */
const longStepMs = 500;
const longMs = 5_000;

export async function spooledWorld(
  options: Partial<SpooledLogTerms> & { readonly store?: EventLog; readonly maxFailures?: number } = {},
): Promise<SpooledWorld> {
  const clock = manualClock();
  const { store = memoryLog(), maxFailures, ...terms } = options;
  const spool = new FailingSpool();
  const journal: { what: string; fields?: Readonly<Record<string, unknown>> | undefined }[] = [];
  let epochs = 0;
  let alive: { readonly log: SpooledLog; readonly faults: FaultyLog; readonly breakers: Breakers };

  async function start(): Promise<SpooledLog> {
    const faults = faultyLog(store);
    const supervisor = new Supervisor();
    const breakers = new Breakers({
      ...{ supervisor, clock, deadlines: new Deadlines(clock, (cause) => journal.push({ what: String(cause) })) },
      settingsOf: () => (maxFailures === undefined ? {} : { maxFailures }),
    });
    const log = spooledLog(faults, {
      ...{ ...spool.open(), clock },
      journal: { write: (_level, what, fields) => void journal.push({ what, fields }) },
      guards: { log: breakers.of("log"), spool: breakers.of("spool") },
      onNewEpoch: () => {
        epochs += 1;
      },
      ...terms,
    });
    alive = { log, faults, breakers };
    await log.recover();
    return log;
  }

  await start();
  const settle = async (): Promise<void> => {
    for (let step = 0; step < settleTurns; step += 1) await turn();
  };
  return {
    ...{ clock, store, spool, journal, settle },
    log: () => alive.log,
    faults: () => alive.faults,
    breakers: () => alive.breakers,
    newEpochs: () => epochs,
    crash: () => {
      alive.faults.setDown(true);
      return start();
    },
    pass: async (ms) => {
      const stepMs = ms > longMs ? longStepMs : shortStepMs;
      for (let passed = 0; passed < ms; passed += stepMs) {
        await settle();
        await clock.advance(stepMs);
      }
      await settle();
    },
  };
}
