/**
 * Where a runner was heard without a word of its own, for the other processes on the log: one small document for each
 * such run, whose version moves. They watch it on their own clocks, so that no two clocks are compared (L16). Stands
 * between the desks, the orphans and the log; nothing of it is used where nobody else writes to the log.
 */
import type { RunId, RunKey, TenantId } from "../../protocol/ids.ts";
import { asRunId, asTenantId } from "../../protocol/ids.ts";
import { documentOf } from "../log/documents.ts";
import type { EventLog } from "../log/event-log.ts";
import type { Clock } from "../platform/clock.ts";

const kind = "lease";
const pageSize = 500;
/** A heartbeat is written down so many times within a lease, however often it comes. */
const marksPerLease = 3;

/** The marks of all runs. */
export class LeaseMarks {
  private readonly log: Pick<EventLog, "documents" | "putDocument">;

  constructor(log: Pick<EventLog, "documents" | "putDocument">) {
    this.log = log;
  }

  /** 0: there is none. */
  async version(key: RunKey): Promise<number> {
    return (await documentOf(this.log, kind, key))?.version ?? 0;
  }

  /** Moves it; the answer is its version. */
  async move(key: RunKey): Promise<number> {
    return (await this.log.putDocument({ kind, key, value: "{}" })).version;
  }

  /** Takes it away; with `expected` only if nobody has moved it since. */
  async remove(key: RunKey, expected?: number): Promise<void> {
    await this.log.putDocument({ kind, key, value: undefined, expected });
  }

  async all(): Promise<Map<RunKey, number>> {
    const found = new Map<RunKey, number>();
    for (let after = ""; ; ) {
      const page = await this.log.documents({ kind, after, limit: pageSize });
      for (const { key, version } of page) found.set(key as RunKey, version);
      const last = page.at(-1);
      if (last === undefined || page.length < pageSize) return found;
      after = last.key;
    }
  }
}

/** The run that a key names: the inverse of `runKey`. */
export function keyedRun(key: RunKey): { readonly tenantId: TenantId; readonly runId: RunId } {
  const slash = key.indexOf("/");
  return { runId: asRunId(key.slice(0, slash)), tenantId: asTenantId(key.slice(slash + 1)) };
}

/** The mark of one run, as its desk keeps it. */
export class LeaseMark {
  private readonly marks: LeaseMarks;
  private readonly key: RunKey;
  private readonly clock: Clock;
  private readonly everyMs: number;
  private version: number;
  private writtenMono = Number.NEGATIVE_INFINITY;

  /** `version`: where it stood when the desk was made. */
  constructor(
    marks: LeaseMarks,
    clock: Clock,
    run: { readonly key: RunKey; readonly leaseMs: number },
    version: number,
  ) {
    this.marks = marks;
    this.clock = clock;
    this.key = run.key;
    this.everyMs = run.leaseMs / marksPerLease;
    this.version = version;
  }

  /** Between two words of an embedded runner that says nothing else. */
  get pulseMs(): number {
    return this.everyMs;
  }

  /** The runner was heard here. Fails: `LogUnavailable`: the others may not know. */
  async write(): Promise<void> {
    const nowMono = this.clock.mono();
    if (nowMono - this.writtenMono < this.everyMs) return;
    const before = this.writtenMono;
    this.writtenMono = nowMono;
    try {
      this.version = await this.marks.move(this.key);
    } catch (cause) {
      this.writtenMono = before;
      throw cause;
    }
  }

  /** Whether the runner was heard elsewhere since this was last asked. Fails: `LogUnavailable`. */
  async hasMoved(): Promise<boolean> {
    const version = await this.marks.version(this.key);
    const hasMoved = version !== this.version;
    this.version = version;
    return hasMoved;
  }

  /** The run has ended. What cannot be taken away now a sweep finds. */
  async end(): Promise<void> {
    if (this.version > 0) await this.marks.remove(this.key).catch(() => {});
  }
}
