/** The actor of a run: made at the beginning, or brought to where the log says the run stands. */
import { compiled } from "../../machines/compiled.ts";
import { isRunFact } from "../../machines/legality.ts";
import type { RunFact } from "../../machines/run.ts";
import { runMachine } from "../../machines/run.ts";
import type { Seq } from "../../protocol/ids.ts";
import { parseTrusted } from "../../protocol/json.ts";
import type { EventLog, RunRecord, StoredEvent } from "../log/event-log.ts";
import { runPages } from "../log/run-pages.ts";
import type { Journal } from "../telemetry/journal.ts";
import type { RunActor } from "./judge.ts";
import type { DatedEvent } from "./run-dates.ts";
import { isDated } from "./run-dates.ts";
import type { Supervisor } from "./supervisor.ts";

/** Every lifecycle event of every run passes it: the same machine, stepped by table. */
export const runLogic = compiled(runMachine);

export function spawnRun(
  supervisor: Supervisor,
  journal: Journal,
  { profile }: Pick<RunRecord, "profile">,
  snapshot?: unknown,
): RunActor {
  const actor = supervisor.spawn(runLogic, { input: { profile }, ...(snapshot !== undefined && { snapshot }) });
  actor.subscribe({ error: (cause) => journal.write("error", "run.actorFailed", { cause }) });
  return actor.start();
}

/** A date that was set or settled before this process, or this desk, had the run. */
export interface PastDate {
  readonly event: DatedEvent;
  /** Milliseconds since 1970. */
  readonly atMs: number;
}

/** Tells the actor what the log holds of the run behind `afterSeq`, up to `record.seq`. The answer: its dates, in order. */
export async function replay(
  log: Pick<EventLog, "readRun">,
  record: RunRecord,
  actor: RunActor,
  afterSeq: Seq = 0,
): Promise<readonly PastDate[]> {
  const past: PastDate[] = [];
  for await (const events of runPages(log, record, afterSeq)) {
    for (const event of events) {
      const fact = factOf(event);
      if (fact === undefined) continue;
      actor.send(fact);
      if (isDated(fact)) past.push({ event: fact, atMs: Date.parse(event.time) });
    }
  }
  return past;
}

/** What the run machine must hear of a stored event; undefined for payload. */
export function factOf(event: StoredEvent): RunFact | undefined {
  const fact = { type: event.type, data: {}, repaired: event.repaired || undefined };
  return isRunFact(fact) ? ({ ...fact, data: parseTrusted(event.data) } as RunFact) : undefined;
}
