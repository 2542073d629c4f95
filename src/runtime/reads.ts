/**
 * What is read beside the live stream: pages of events, the ledger, dead letters. Every read passes the gate (L8), and
 * one that begins where retention has been says so (L4).
 */
import type { DeadLettersAnswer, DeadLetterView, EventsAnswer, LedgerAnswer } from "../../protocol/http.ts";
import type { RunId } from "../../protocol/ids.ts";
import { streamOwner } from "../../protocol/ids.ts";
import { parseTrusted } from "../../protocol/json.ts";
import type { JsonObject } from "../../protocol/event.ts";
import type { Principal, PublisherPrincipal } from "../auth/principal.ts";
import type { DeadLetter } from "../log/dead-letter.ts";
import type { EventLog, Slice } from "../log/event-log.ts";
import { requireRight, streamToRead, tenantOf } from "./gate.ts";
import { pageOf } from "./listing.ts";
import type { Page, Whose } from "./runtime.ts";

/** A page of a read in bytes of data: answers stay bounded whatever the events hold. */
export const maxPageBytes = 4 * 1_048_576;

export class Reads {
  private readonly log: EventLog;
  private readonly saveCursors: () => Promise<void>;

  constructor(log: EventLog, saveCursors: () => Promise<void>) {
    this.log = log;
    this.saveCursors = saveCursors;
  }

  async events(caller: Principal, whose: Whose, { after, limit }: Page): Promise<EventsAnswer> {
    const stream = streamToRead(caller, whose);
    const slice = await this.log.read(stream, after, { maxEvents: limit, maxBytes: maxPageBytes });
    const gap = gapOf(slice, after);
    return { ...pageOf(slice.events, slice.upto, slice.head), ...(gap && { gap }) };
  }

  async ledger(caller: Principal, whose: Whose): Promise<LedgerAnswer> {
    const isAll = caller.kind === "publisher" && caller.tenants === "*" && whose.userId === undefined;
    if (isAll) requireRight(caller, "admin");
    const stream = isAll ? undefined : streamToRead(caller, whose);
    await this.saveCursors();
    const count = await this.log.ledger(stream);
    return { ...count, difference: count.accepted - count.acked - count.stored - count.deadLettered };
  }

  async deadLetters(
    caller: PublisherPrincipal,
    whose: Whose,
    page: { readonly runId?: RunId | undefined; readonly before?: string | undefined; readonly limit: number },
  ): Promise<DeadLettersAnswer> {
    requireRight(caller, "admin");
    const stream = whose.userId === undefined ? undefined : streamToRead(caller, whose);
    const isAll = caller.tenants === "*" && whose.tenantId === undefined && stream === undefined;
    const tenantId = isAll ? undefined : tenantOf(caller, whose.tenantId);
    const { entries, next } = await this.log.deadLetters({ tenantId, stream, ...page });
    return { entries: entries.map(viewOf), next };
  }
}

/** What a page that begins after `after` cannot give. Same words as the `gap` frame. */
function gapOf({ first, head }: Slice, after: number): EventsAnswer["gap"] {
  if (after > head) return { from: 1, upto: head, reason: "ahead" };
  return after < first - 1 ? { from: after + 1, upto: first - 1, reason: "retention" } : undefined;
}

function viewOf(letter: DeadLetter): DeadLetterView {
  const { kind, tenantId, stream, reason, time } = letter;
  const common = { kind, ...streamOwner(stream), tenantId, reason, time };
  if (letter.kind !== "quarantined") {
    const { from, upto, events } = letter;
    return { ...common, from, upto, events };
  }
  const { runId, type, data } = letter;
  return { ...common, runId, type, data: parseTrusted(data) as JsonObject };
}
