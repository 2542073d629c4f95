/** The actor of a run: made at the beginning, or brought to where the log says the run stands. */
import { compiled } from "../../machines/compiled.ts";
import { isRunFact } from "../../machines/legality.ts";
import type { RunFact } from "../../machines/run.ts";
import { runMachine } from "../../machines/run.ts";
import { parseTrusted } from "../../protocol/json.ts";
import type { EventLog, ReadLimit, RunRecord, StoredEvent } from "../log/event-log.ts";
import type { Journal } from "../telemetry/journal.ts";
import type { RunActor } from "./judge.ts";
import type { Supervisor } from "./supervisor.ts";

/** Every lifecycle event of every run passes it: the same machine, stepped by table. */
const runLogic = compiled(runMachine);
const page: ReadLimit = { maxEvents: 1_000, maxBytes: 4 * 1_048_576 };

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

/** Tells the actor everything that the log holds of the run, up to `record.seq`. */
export async function replay(log: EventLog, { tenantId, runId, seq }: RunRecord, actor: RunActor): Promise<void> {
  let afterSeq = 0;
  while (afterSeq < seq) {
    const events = await log.readRun(tenantId, runId, afterSeq, page);
    for (const event of events) {
      const fact = factOf(event);
      if (fact) actor.send(fact);
    }
    const lastSeq = events.at(-1)?.seq;
    if (lastSeq === undefined) return;
    afterSeq = lastSeq;
  }
}

/** What the run machine must hear of a stored event; undefined for payload. */
function factOf(event: StoredEvent): RunFact | undefined {
  const fact = { type: event.type, data: {}, repaired: event.repaired || undefined };
  return isRunFact(fact) ? ({ ...fact, data: parseTrusted(event.data) } as RunFact) : undefined;
}
