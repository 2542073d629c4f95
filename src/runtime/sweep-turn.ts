/**
 * Whose turn it is to sweep where several nodes share one log: each of them alone would look through all of it, for nothing. A
 * small document moves with every sweep; who finds it where it stood at the last look sweeps, who finds it moved leaves the
 * sweep to whoever moved it. So two sweeps begin at least a pause apart, however many nodes there are, and when the one that
 * swept is gone another one does. No clocks are compared, and nothing rests on it: what two sweep at once, the log does once.
 */
import type { EventLog } from "../log/event-log.ts";

const kind = "sweep";

export class SweepTurn {
  private readonly log: Pick<EventLog, "documents" | "putDocument">;
  private version = 0;

  constructor(log: Pick<EventLog, "documents" | "putDocument">) {
    this.log = log;
  }

  /** Asked once in each pause between two sweeps. Fails: `LogUnavailable`: nobody knows. */
  async take(): Promise<boolean> {
    const [found] = await this.log.documents({ kind, limit: 1 });
    const before = this.version;
    this.version = found?.version ?? 0;
    if (this.version !== before) return false;
    const put = await this.log.putDocument({ kind, key: "retention", value: "{}", expected: before });
    this.version = put.version;
    return put.kind === "written";
  }
}
