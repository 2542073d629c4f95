/**
 * One-use tickets, for clients that can set neither a header nor a subprotocol. A ticket stands for the credential
 * it was bought with: same user, same tenant, same end. Only its hash is kept; consuming it is one step, so of two
 * that come together one gets in. Where several processes serve one log, `shared-tickets` keeps them there.
 */
import { createHash } from "node:crypto";
import * as Effect from "effect/Effect";
import type { StreamKey } from "../../protocol/ids.ts";
import { streamKey } from "../../protocol/ids.ts";
import type { NotAccepting } from "../errors.ts";
import { TooMany, Unauthenticated } from "../errors.ts";
import type { Clock } from "../platform/clock.ts";
import type { UserPrincipal } from "./principal.ts";

export const ticketBytes = 32;
export const ticketTtlMs = 60_000;

export interface TicketLimits {
  /** Unused tickets of all users. */
  readonly maxCount: number;
  /** Unused tickets of one user. */
  readonly maxPerUser: number;
}

export const defaultTicketLimits: TicketLimits = { maxCount: 100_000, maxPerUser: 1_000 };

interface Issued {
  readonly principal: UserPrincipal;
  readonly owner: StreamKey;
  /** Monotonic: nobody's clock change makes a ticket live longer. */
  readonly endsAtMono: number;
}

const digestOf = (ticket: string): string => createHash("sha256").update(ticket).digest("base64");

export interface IssuedTicket {
  readonly ticket: string;
  readonly expiresAtMs: number;
}

/** Where tickets are kept until somebody comes with one. */
export interface TicketStore {
  /**
   * Sells one ticket.
   *
   * Fails: `TooMany` when the user, or everybody together, holds too many unused ones; `NotAccepting` when they are kept
   * in a log that does not answer.
   */
  issue(principal: UserPrincipal): Effect.Effect<IssuedTicket, TooMany | NotAccepting>;
  /**
   * Takes a ticket in, once.
   *
   * Fails: `Unauthenticated` when it is unknown, used, or too old, or its credential has ended; never says which.
   * `NotAccepting` as above.
   */
  consume(ticket: string): Effect.Effect<UserPrincipal, Unauthenticated | NotAccepting>;
  /** Takes back unused tickets; the answer is how many. */
  takeBack(from: (principal: UserPrincipal) => boolean): number | Promise<number>;
}

export class Tickets implements TicketStore {
  private readonly clock: Clock;
  private readonly limits: TicketLimits;
  /** By digest; in the order of their end, because all live equally long. */
  private readonly issued = new Map<string, Issued>();
  private readonly perUser = new Map<StreamKey, number>();

  constructor(clock: Clock, limits: TicketLimits = defaultTicketLimits) {
    this.clock = clock;
    this.limits = limits;
  }

  get count(): number {
    return this.issued.size;
  }

  issue(principal: UserPrincipal): Effect.Effect<IssuedTicket, TooMany> {
    return Effect.suspend(() => {
      this.forgetEnded();
      const owner = streamKey(principal.tenantId, principal.userId);
      const held = this.perUser.get(owner) ?? 0;
      if (held >= this.limits.maxPerUser || this.issued.size >= this.limits.maxCount)
        return Effect.fail(new TooMany({ message: "too many unused tickets", retryAfterMs: ticketTtlMs }));
      const ticket = Buffer.from(this.clock.random(ticketBytes)).toString("base64url");
      this.issued.set(digestOf(ticket), { principal, owner, endsAtMono: this.clock.mono() + ticketTtlMs });
      this.perUser.set(owner, held + 1);
      const expiresAtMs = Math.min(this.clock.now() + ticketTtlMs, principal.expiresAtMs);
      return Effect.succeed({ ticket, expiresAtMs });
    });
  }

  consume(ticket: string): Effect.Effect<UserPrincipal, Unauthenticated> {
    return Effect.suspend(() => {
      const digest = digestOf(ticket);
      const issued = this.issued.get(digest);
      if (issued) this.forget(digest, issued);
      if (
        issued === undefined ||
        issued.endsAtMono <= this.clock.mono() ||
        issued.principal.expiresAtMs <= this.clock.now()
      )
        return Effect.fail(
          new Unauthenticated({
            message: "the ticket is not accepted: it is unknown, used or too old",
            reason: "ticket",
          }),
        );
      return Effect.succeed(issued.principal);
    });
  }

  takeBack(from: (principal: UserPrincipal) => boolean): number {
    const before = this.issued.size;
    for (const [digest, issued] of this.issued) if (from(issued.principal)) this.forget(digest, issued);
    return before - this.issued.size;
  }

  private forgetEnded(): void {
    const now = this.clock.mono();
    for (const [digest, issued] of this.issued) {
      if (issued.endsAtMono > now) return;
      this.forget(digest, issued);
    }
  }

  private forget(digest: string, issued: Issued): void {
    this.issued.delete(digest);
    const left = (this.perUser.get(issued.owner) ?? 1) - 1;
    if (left === 0) this.perUser.delete(issued.owner);
    else this.perUser.set(issued.owner, left);
  }
}
