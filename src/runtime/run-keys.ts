/**
 * The idempotency keys of one run: a known key is a duplicate, the same key with another body a conflict. Keys of an
 * earlier life of the run are asked of the log, once each.
 */
import type { EventInput } from "../../protocol/event.ts";
import type { Offset, Seq } from "../../protocol/ids.ts";
import { KeyConflict } from "../errors.ts";
import type { EventLog, KnownKey, NewEvent, RunRecord } from "../log/event-log.ts";
import type { Prepared } from "./payload.ts";

export class RunKeys {
  private readonly known = new Map<string, KnownKey>();
  private readonly log: Pick<EventLog, "knownKeys">;
  private readonly record: RunRecord;
  /** The run was made by this process: no key is older than this object. */
  private isComplete: boolean;

  constructor(log: Pick<EventLog, "knownKeys">, record: RunRecord, isComplete: boolean) {
    this.log = log;
    this.record = record;
    this.isComplete = isComplete;
  }

  get(name: string): KnownKey | undefined {
    return this.known.get(name);
  }

  /** Whether the log must be asked before these events can be judged. */
  mustLearn(events: readonly EventInput[]): boolean {
    return !this.isComplete && events.some(({ key }) => key !== undefined);
  }

  async learn(events: readonly EventInput[]): Promise<void> {
    const names = events.flatMap(({ key }) => (key === undefined || this.known.has(key) ? [] : [key]));
    if (this.isComplete || names.length === 0) return;
    for (const [name, key] of await this.log.knownKeys(this.record, names)) this.known.set(name, key);
  }

  /** Another process has written to the run: its keys are asked for. */
  learnFromOthers(events: readonly EventInput[]): Promise<void> {
    this.isComplete = false;
    return this.learn(events);
  }

  /** These rows were not written. */
  forget(rows: readonly NewEvent[]): void {
    for (const { key } of rows) if (key) this.known.delete(key.name);
  }

  /** The events that are not known yet. Fails: throws `KeyConflict`. */
  fresh(prepared: readonly Prepared[], nextSeq: Seq): readonly Prepared[] {
    if (prepared.every(({ digest }) => digest === undefined)) return prepared;
    const inBatch = new Map<string, string | undefined>();
    return prepared.filter(({ event: { key }, digest }) => {
      if (key === undefined) return true;
      const known = this.known.get(key);
      if (known === undefined && !inBatch.has(key)) {
        inBatch.set(key, digest);
        return true;
      }
      if ((known?.digest ?? inBatch.get(key)) !== digest) throw new KeyConflict({ key, seq: known?.seq ?? nextSeq });
      return false;
    });
  }

  /** Placed now, so that the next call finds it; its offset comes with the commit. */
  remember(name: string | undefined, digest: string | undefined, seq: Seq): NewEvent["key"] {
    if (name === undefined || digest === undefined) return undefined;
    this.known.set(name, { digest, seq, offset: 0 });
    return { name, digest };
  }

  place(rows: readonly NewEvent[], firstOffset: Offset): void {
    if (this.known.size === 0) return;
    for (const [index, { key }] of rows.entries()) {
      const known = key && this.known.get(key.name);
      if (key && known) this.known.set(key.name, { ...known, offset: firstOffset + index });
    }
  }
}
