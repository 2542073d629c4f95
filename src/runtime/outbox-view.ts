/** The outbox for operators, behind the gate: what waits, what was told by which channel, when, and what is in doubt. */
import type { OutboxAnswer, OutboxRowView } from "../../protocol/outbox.ts";
import { streamOwner } from "../../protocol/ids.ts";
import type { PublisherPrincipal } from "../auth/principal.ts";
import type { EventLog } from "../log/event-log.ts";
import type { OutboxRow, OutboxState } from "../log/outbox.ts";
import { noteOf } from "./escalation-note.ts";
import { requireRight, streamToRead, tenantOf } from "./gate.ts";
import type { Whose } from "./runtime.ts";

export interface OutboxPageQuery {
  readonly state?: OutboxState | undefined;
  readonly after?: string | undefined;
  readonly limit: number;
}

export async function outboxPage(
  log: EventLog,
  caller: PublisherPrincipal,
  whose: Whose,
  { state, after, limit }: OutboxPageQuery,
): Promise<OutboxAnswer> {
  requireRight(caller, "admin");
  const stream = whose.userId === undefined ? undefined : streamToRead(caller, whose);
  const isAll = caller.tenants === "*" && whose.tenantId === undefined && stream === undefined;
  const tenantId = isAll ? undefined : tenantOf(caller, whose.tenantId);
  const states = state === undefined ? undefined : [state];
  const { rows, next } = await log.outbox({ tenantId, stream, states, after, limit });
  return { rows: rows.map(viewOf), next };
}

function viewOf({ stream, offset, eventId, type, runId, threadId, time, state, note }: OutboxRow): OutboxRowView {
  const { attempts = 0, outcomes = [], trying = [], told, inDoubt, acked, retryAt } = noteOf(note) ?? {};
  return {
    ...{ ...streamOwner(stream), offset, eventId, type },
    ...(runId !== undefined && { runId }),
    ...(threadId !== undefined && { threadId }),
    ...{ time, state, attempts, outcomes },
    ...(state === "trying" && { trying }),
    ...(told !== undefined && { told }),
    ...(inDoubt && { inDoubt }),
    ...(acked && { acked }),
    ...(state === "exhausted" && retryAt !== undefined && { retryAt }),
  };
}
