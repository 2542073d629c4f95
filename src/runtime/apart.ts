/** Events that may not be shown, kept apart with the reason (`onIllegal: "quarantine"`, and what comes late: L2). */
import type { EventInput } from "../../protocol/event.ts";
import type { TerminalState } from "../../protocol/run-view.ts";
import type { EventLog, RunRecord } from "../log/event-log.ts";

export interface ApartEvent {
  readonly event: EventInput;
  readonly reason: string;
}

export class Apart {
  private readonly log: Pick<EventLog, "quarantine">;
  private readonly timeText: () => string;

  constructor(log: Pick<EventLog, "quarantine">, timeText: () => string) {
    this.log = log;
    this.timeText = timeText;
  }

  /** Resolves when all of them are kept. Fails: `LogUnavailable`. */
  async keep({ stream, tenantId, runId }: RunRecord, events: readonly ApartEvent[]): Promise<void> {
    const time = this.timeText();
    const entries = events.map(({ event: { type, data }, reason }) => {
      const text = JSON.stringify(data);
      return this.log.quarantine({ stream, tenantId, runId, type, data: text, reason, time });
    });
    await Promise.all(entries);
  }

  /** The same for what comes after the end. Never rejects: the refusal does not depend on it. */
  keepLate(record: RunRecord, events: readonly EventInput[], ended: TerminalState): Promise<void> {
    const reason = `it came after the run had ended: ${ended}`;
    return this.keep(
      record,
      events.map((event) => ({ event, reason })),
    ).catch(() => {});
  }
}
