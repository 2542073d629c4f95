/** The calls that read: runs, events, the ledger and what is dead, each behind the gate. `make-runtime` joins them in. */
import { NotFound } from "../errors.ts";
import type { answer } from "./answer.ts";
import type { DeliveredTerms } from "./delivered.ts";
import { delivered } from "./delivered.ts";
import { streamToRead } from "./gate.ts";
import { pageOf, summaryOf } from "./listing.ts";
import type { Reads } from "./reads.ts";
import { maxPageBytes } from "./reads.ts";
import type { Runs } from "./runs.ts";
import type { RuntimeService } from "./runtime.ts";
import type { Views } from "./views.ts";

export interface ReadTerms extends DeliveredTerms {
  /** Makes an answer of a call, and counts those for things of somebody else. */
  readonly answer: typeof answer;
  readonly runs: Runs;
  readonly views: Views;
  readonly reads: Reads;
}

type ReadCalls = Pick<RuntimeService, "ledger" | "deadLetters" | "delivered" | "runs" | "run" | "runEvents" | "events">;

export function readCalls(terms: ReadTerms): ReadCalls {
  const { answer, log, access, runs, views, reads } = terms;
  return {
    delivered: (...call) => answer(() => delivered(terms, ...call)),
    ledger: (...call) => answer(() => reads.ledger(...call)),
    deadLetters: (...call) => answer(() => reads.deadLetters(...call)),
    runs: (caller, whose, { before, limit }) =>
      answer(async () => {
        const stream = streamToRead(caller, whose);
        const page = await log.runs({ stream, limit, ...(before !== undefined && { before }) });
        return { runs: await Promise.all(page.runs.map((record) => summaryOf(record, runs, views))), next: page.next };
      }),
    run: (caller, named, runId) =>
      answer(async () => {
        const view = await views.view(await access.read(caller, named, runId));
        if (view === undefined) throw new NotFound({ what: "run" });
        return view;
      }),
    runEvents: (caller, named, runId, { after, limit }) =>
      answer(async () => {
        const { tenantId, seq } = await access.read(caller, named, runId);
        const events = await log.readRun(tenantId, runId, after, { maxEvents: limit, maxBytes: maxPageBytes });
        return pageOf(events, events.at(-1)?.seq ?? seq, seq);
      }),
    events: (...call) => answer(() => reads.events(...call)),
  };
}
