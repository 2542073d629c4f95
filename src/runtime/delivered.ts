/** Asks what became of an event of a run: it is found in the log by its seq, and counted by `broadcast-count`. */
import type { BroadcastResult } from "../../protocol/http.ts";
import { maxAckWaitMs } from "../../protocol/http.ts";
import type { RunId, TenantId } from "../../protocol/ids.ts";
import { streamOwner } from "../../protocol/ids.ts";
import type { PublisherPrincipal } from "../auth/principal.ts";
import { InvalidInput, NotFound } from "../errors.ts";
import type { EventLog } from "../log/event-log.ts";
import type { CountTerms } from "./broadcast-count.ts";
import { countBroadcast } from "./broadcast-count.ts";
import { requireRight } from "./gate.ts";
import { maxPageBytes } from "./reads.ts";
import type { RunAccess } from "./run-access.ts";

export interface DeliveredTerms extends CountTerms {
  readonly log: EventLog;
  readonly access: RunAccess;
}

/** Fails: `Forbidden`, `InvalidInput`, `NotFound`, `LogUnavailable`. */
export async function delivered(
  terms: DeliveredTerms,
  caller: PublisherPrincipal,
  named: TenantId | undefined,
  runId: RunId,
  { seq, ackWaitMs = 0 }: { readonly seq: number; readonly ackWaitMs?: number | undefined },
): Promise<BroadcastResult> {
  requireRight(caller, "admin");
  if (!Number.isSafeInteger(seq) || seq < 1)
    throw new InvalidInput({ code: "invalid", path: "seq", message: "must be a whole number from 1" });
  if (!(ackWaitMs >= 0 && ackWaitMs <= maxAckWaitMs))
    throw new InvalidInput({ code: "invalid", path: "ackWaitMs", message: `must be from 0 to ${maxAckWaitMs}` });
  const record = await terms.access.read(caller, named, runId);
  const [event] = await terms.log.readRun(record.tenantId, runId, seq - 1, { maxEvents: 1, maxBytes: maxPageBytes });
  // A delta that was merged stands for those before it.
  if (event === undefined) throw new NotFound({ what: "event" });
  const { offset, type, threadId } = event;
  return countBroadcast(terms, { ...streamOwner(record.stream), offset, type, threadId }, ackWaitMs);
}
