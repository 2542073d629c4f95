/**
 * What the application gave us to call, fenced: `make-runcast` puts these before the runtime, so that a callback that
 * throws harms nobody but the one call that it was asked for (I0). Commands and token checks answer somebody and have
 * their fence where they are answered.
 */
import type { InspectionEvent } from "xstate";
import type { RunRecord } from "./log/event-log.ts";
import type { Journal } from "./telemetry/journal.ts";

/** A journal that throws is passed over: there is nobody left to tell. */
export function fencedJournal(journal: Journal): Journal {
  return {
    write: (...record) => {
      try {
        journal.write(...record);
      } catch {
        // It was the one that hears of failures.
      }
    },
  };
}

/** An observer that throws is detached: actors go on, and it would throw at each of their events. */
export function fencedObserver(
  observer: (event: InspectionEvent) => void,
  journal: Journal,
  detach: () => void,
): (event: InspectionEvent) => void {
  let isDetached = false;
  return (event) => {
    if (isDetached) return;
    try {
      observer(event);
    } catch (cause) {
      isDetached = true;
      journal.write("error", "inspect.observerFailed", { cause });
      // Not inside of the walk over all observers.
      queueMicrotask(detach);
    }
  };
}

/** One that throws has not heard of that run; the others of the store follow. */
export function fencedOrphans(
  onOrphan: ((record: RunRecord) => void) | undefined,
  journal: Journal,
): ((record: RunRecord) => void) | undefined {
  if (onOrphan === undefined) return undefined;
  return (record) => {
    try {
      onOrphan(record);
    } catch (cause) {
      journal.write("error", "orphan.callbackFailed", { runId: record.runId, cause });
    }
  };
}
