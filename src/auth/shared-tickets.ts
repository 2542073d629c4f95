/**
 * One-use tickets where several processes serve one log: sold at one, taken in at another. A ticket is a document under
 * its digest, and taking it in removes that document, if nobody was faster: so of two nodes that are shown it at once one
 * lets its holder in. `ticket` does the same where only one process serves.
 */
import { createHash } from "node:crypto";
import * as Effect from "effect/Effect";
import type { StreamKey } from "../../protocol/ids.ts";
import { streamKey } from "../../protocol/ids.ts";
import { parseTrusted } from "../../protocol/json.ts";
import { NotAccepting, TooMany, Unauthenticated } from "../errors.ts";
import { documentOf, type StoredDocument } from "../log/documents.ts";
import type { EventLog } from "../log/event-log.ts";
import type { Clock } from "../platform/clock.ts";
import type { UserPrincipal } from "./principal.ts";
import type { IssuedTicket, TicketLimits, TicketStore } from "./ticket.ts";
import { defaultTicketLimits, ticketBytes, ticketTtlMs } from "./ticket.ts";

const kind = "ticket";
/** Of the owner's name, before the ticket's own 256 bits: a user's tickets stand together, and nothing is read off it. */
const ownerBytes = 9;
/** The same, as it is written. */
const ownerChars = 12;
/** What one looks like; the log is asked for no other. */
const shape = /^[A-Za-z0-9_-]{55}$/;
const pageSize = 500;
/** From the end of a ticket to when whoever looks takes it away: more than clocks of one installation differ. */
const tidyAfterMs = 60_000;
const retryMs = 1_000;

interface Kept {
  readonly principal: UserPrincipal;
  /** Milliseconds since 1970: like the end of the token that it was bought with, it is held against every node's clock. */
  readonly endsAtMs: number;
}

export interface SharedTicketsTerms {
  readonly log: Pick<EventLog, "documents" | "putDocument">;
  readonly clock: Clock;
  readonly limits?: TicketLimits | undefined;
}

const digestOf = (text: string): string => createHash("sha256").update(text).digest("base64url");
const ownerOf = (stream: StreamKey): string =>
  createHash("sha256").update(stream).digest().subarray(0, ownerBytes).toString("base64url");
const keptOf = ({ value }: StoredDocument): Kept => parseTrusted(value) as Kept;

/** A log that does not answer lets nobody in, and says when to come again. */
const whenSilent = (): NotAccepting => new NotAccepting({ retryAfterMs: retryMs });

export class SharedTickets implements TicketStore {
  private readonly log: SharedTicketsTerms["log"];
  private readonly clock: Clock;
  private readonly limits: TicketLimits;
  /** When those that were sold here end, oldest first; the bound of all is each node's own. */
  private ends: number[] = [];

  constructor({ log, clock, limits = defaultTicketLimits }: SharedTicketsTerms) {
    this.log = log;
    this.clock = clock;
    this.limits = limits;
  }

  issue(principal: UserPrincipal): Effect.Effect<IssuedTicket, TooMany | NotAccepting> {
    return Effect.tryPromise({
      try: () => this.sell(principal),
      catch: (cause) => (cause instanceof TooMany ? cause : whenSilent()),
    });
  }

  consume(ticket: string): Effect.Effect<UserPrincipal, Unauthenticated | NotAccepting> {
    return Effect.flatMap(Effect.tryPromise({ try: () => this.take(ticket), catch: whenSilent }), (principal) =>
      principal === undefined
        ? Effect.fail(
            new Unauthenticated({
              message: "the ticket is not accepted: it is unknown, used or too old",
              reason: "ticket",
            }),
          )
        : Effect.succeed(principal),
    );
  }

  async takeBack(from: (principal: UserPrincipal) => boolean): Promise<number> {
    let taken = 0;
    for await (const document of this.all()) {
      if (!from(keptOf(document).principal)) continue;
      if (await this.remove(document)) taken += 1;
    }
    return taken;
  }

  async tidy(): Promise<void> {
    const before = this.clock.now() - tidyAfterMs;
    for await (const document of this.all()) if (keptOf(document).endsAtMs < before) await this.remove(document);
  }

  private async sell(principal: UserPrincipal): Promise<IssuedTicket> {
    const nowMs = this.clock.now();
    this.ends = this.ends.filter((endsAtMs) => endsAtMs > nowMs);
    const owner = ownerOf(streamKey(principal.tenantId, principal.userId));
    const held = await this.log.documents({ kind, prefix: owner, limit: this.limits.maxPerUser });
    const unused = held.filter((document) => keptOf(document).endsAtMs > nowMs);
    if (unused.length >= this.limits.maxPerUser || this.ends.length >= this.limits.maxCount)
      throw new TooMany({ message: "too many unused tickets", retryAfterMs: ticketTtlMs });
    const ticket = `${owner}${Buffer.from(this.clock.random(ticketBytes)).toString("base64url")}`;
    const endsAtMs = Math.min(nowMs + ticketTtlMs, principal.expiresAtMs);
    const kept: Kept = { principal, endsAtMs };
    await this.log.putDocument({ kind, key: `${owner}${digestOf(ticket)}`, value: JSON.stringify(kept), expected: 0 });
    this.ends.push(endsAtMs);
    return { ticket, expiresAtMs: endsAtMs };
  }

  /** Undefined: it lets nobody in. */
  private async take(ticket: string): Promise<UserPrincipal | undefined> {
    if (!shape.test(ticket)) return undefined;
    const key = `${ticket.slice(0, ownerChars)}${digestOf(ticket)}`;
    const found = await documentOf(this.log, kind, key);
    if (found === undefined || !(await this.remove(found))) return undefined;
    const { principal, endsAtMs } = keptOf(found);
    return endsAtMs > this.clock.now() ? principal : undefined;
  }

  /** False: somebody else was faster. */
  private async remove({ key, version }: StoredDocument): Promise<boolean> {
    const { kind: outcome } = await this.log.putDocument({ kind, key, value: undefined, expected: version });
    return outcome === "written";
  }

  private async *all(): AsyncGenerator<StoredDocument, void, undefined> {
    for (let after = ""; ; ) {
      const page = await this.log.documents({ kind, after, limit: pageSize });
      yield* page;
      const last = page.at(-1);
      if (last === undefined || page.length < pageSize) return;
      after = last.key;
    }
  }
}
