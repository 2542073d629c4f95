/**
 * What a former process has left in the spool, taken up before the doors open: what has landed is known by its id, the rest
 * gets its place behind the log's head again, in its order. A hole that it left is declared by a new epoch.
 */
import type { EventLog } from "../log/event-log.ts";
import type { Journal } from "../telemetry/journal.ts";
import { type Entry, entryOf, firstId } from "./entry.ts";
import type { Incarnation } from "./incarnation.ts";
import type { Known } from "./known.ts";
import { whereLanded } from "./landing.ts";
import type { SpoolMark } from "./mark.ts";
import type { Overlay } from "./overlay.ts";
import type { Spool } from "./spool.ts";
import { Staging, type StagingTerms } from "./staging.ts";

export interface RecoveryTerms extends StagingTerms {
  readonly log: EventLog;
  readonly known: Known;
  readonly overlay: Overlay;
  readonly spool: Spool;
  readonly mark: SpoolMark | undefined;
  readonly incarnation: Incarnation;
  readonly journal: Journal;
}

/** Any: every stream of a log has the same epoch. */
const anyStream = "" as Entry["append"]["stream"];

/** Fails: `LogUnavailable` when the log answers no questions. */
export async function takeUp(terms: RecoveryTerms): Promise<void> {
  const { log, known, mark, incarnation, journal, overlay, spool } = terms;
  await incarnation.load();
  known.noteStream(anyStream, await log.position(anyStream));
  const { epoch } = known;
  let isMoved = false;
  const seen = new Set<string>();
  for await (const text of spool.entries()) {
    const entry = entryOf(text);
    const isKnown = seen.has(firstId(entry.append));
    seen.add(firstId(entry.append));
    const moved = await takeUpEntry(terms, entry, isKnown);
    isMoved ||= moved && entry.epoch === epoch;
  }
  const isLoss = mark?.before === "direct";
  if (isLoss)
    journal.write("error", "direct.lost", { why: "events of no durability were not written before the process died" });
  if (overlay.order.length > 0) journal.write("warn", "spool.found", { events: overlay.eventCount });
  if (epoch !== undefined && (isLoss || isMoved)) await incarnation.renew(epoch, isLoss && !isMoved);
}

/** True: its place is another than readers were shown. */
async function takeUpEntry(terms: RecoveryTerms, entry: Entry, isKnown: boolean): Promise<boolean> {
  const { overlay, log } = terms;
  const { run } = entry.append;
  // Whoever holds the run by now: it was said when it might be said.
  const append = run === undefined ? entry.append : { ...entry.append, run: { ...run, fence: undefined } };
  const landed = isKnown ? entry : await whereLanded(log, append);
  if (landed !== undefined) {
    overlay.order.push({ entry, isSpooled: true, hasLanded: true });
    return landed.offset !== entry.offset;
  }
  const placed = await new Staging(terms).place(append);
  if ("kind" in placed) {
    // The drain hears the same from the log, and buries it.
    overlay.order.push({ entry: { ...entry, append }, isSpooled: true, hasLanded: false });
    return true;
  }
  overlay.add(placed, true);
  return placed.offset !== entry.offset;
}
