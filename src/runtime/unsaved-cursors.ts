/**
 * Cursors on their way into the log: acks of many devices, written together a moment later. A crash costs at most that
 * moment, which the next resume makes good; a log that does not answer keeps them waiting here.
 */
import { deviceKey } from "../../protocol/ids.ts";
import type { EventLog, SavedCursor } from "../log/event-log.ts";
import type { Journal } from "../telemetry/journal.ts";
import type { Deadline, Deadlines } from "./deadlines.ts";

const saveMs = 250;

export interface UnsavedCursorsTerms {
  readonly log: EventLog;
  readonly journal: Journal;
  readonly deadlines: Deadlines;
}

export class UnsavedCursors {
  private readonly terms: UnsavedCursorsTerms;
  private readonly waiting = new Map<string, SavedCursor>();
  private saving: Deadline | undefined;

  constructor(terms: UnsavedCursorsTerms) {
    this.terms = terms;
  }

  note(cursor: SavedCursor): void {
    const key = deviceKey(cursor.stream, cursor.device);
    if ((this.waiting.get(key)?.offset ?? -1) < cursor.offset) this.waiting.set(key, cursor);
    this.saving ??= this.terms.deadlines.after(saveMs, () => {
      this.saving = undefined;
      void this.trySave();
    });
  }

  /** Writes those that are still here. Rejects when the log does not take them; they wait on. */
  async save(): Promise<void> {
    if (this.waiting.size === 0) return;
    const cursors = [...this.waiting.values()];
    this.waiting.clear();
    try {
      await this.terms.log.saveCursors(cursors);
    } catch (cause) {
      // The client will not say it again.
      for (const cursor of cursors) this.note(cursor);
      throw cause;
    }
  }

  /** The last time, and no later one. */
  async finish(): Promise<void> {
    this.saving?.cancel();
    await this.trySave();
  }

  private trySave(): Promise<void> {
    return this.save().catch((cause: unknown) => this.terms.journal.write("warn", "cursors.notSaved", { cause }));
  }
}
