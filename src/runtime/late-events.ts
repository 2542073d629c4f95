/** What is said about a run that has ended: a retry is answered as then, anything else comes too late (L2). */
import type { EventInput } from "../../protocol/event.ts";
import type { PublishAnswer } from "../../protocol/http.ts";
import { streamOwner } from "../../protocol/ids.ts";
import { KeyConflict, RunEnded } from "../errors.ts";
import type { EventLog, RunRecord } from "../log/event-log.ts";
import type { Apart } from "./apart.ts";
import type { PayloadPolicy } from "./contamination.ts";
import { eventDigest } from "./digest.ts";
import { prepare } from "./payload.ts";
import type { PublishTerms } from "./run-host.ts";

export class LateEvents {
  private readonly log: EventLog;
  private readonly apart: Apart;
  private readonly policy: PayloadPolicy;
  private readonly countRefused: (events: number) => void;

  constructor(log: EventLog, apart: Apart, policy: PayloadPolicy, countRefused: (events: number) => void) {
    this.log = log;
    this.apart = apart;
    this.policy = policy;
    this.countRefused = countRefused;
  }

  /** Fails: `RunEnded`, `KeyConflict`, and what nobody's stream takes: `InvalidInput`, `Contaminated`. */
  async answer(record: RunRecord, events: readonly EventInput[], terms: PublishTerms): Promise<PublishAnswer> {
    const names = events.flatMap(({ key }) => key ?? []);
    const known = names.length > 0 ? await this.log.knownKeys(record, names) : new Map<string, never>();
    const owner = streamOwner(record.stream);
    // Kept apart is kept, too: admins read it.
    const kept = events.map((event, index) => prepare(event, index, owner, this.policy).event);
    let last = { seq: record.seq, offset: record.lastOffset };
    for (const { type, data, key } of events) {
      const before = key === undefined ? undefined : known.get(key);
      if (key === undefined || before === undefined) {
        const state = record.ended ?? "completed";
        this.countRefused(events.length);
        if (terms.fence === record.fence) await this.apart.keepLate(record, kept, state);
        throw new RunEnded({ state });
      }
      if (before.digest !== eventDigest(type, data)) throw new KeyConflict({ key, seq: before.seq });
      last = before;
    }
    return { seq: last.seq, offset: last.offset, duplicates: events.length };
  }
}
