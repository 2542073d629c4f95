/**
 * What a connection knows of its user's credential: has it checked, renews it, calls it in before its end and ends with
 * it, and hears the client confirm. It reports every step; what that means for the connection the machine decides.
 */
import type { ConnectionFact } from "../../machines/connection.ts";
import type { HelloFrame, StatusFrame, AuthExpiringFrame } from "../../protocol/frames.ts";
import type { AuthAttempt, AuthEvents } from "../auth/auth-events.ts";
import type { AuthFailureReason } from "../auth/auth-failure.ts";
import type { UserPrincipal } from "../auth/principal.ts";
import { isSameUser } from "../auth/principal.ts";
import { NotAccepting, Unauthenticated } from "../errors.ts";
import type { Deadline } from "./deadlines.ts";

export interface CredentialHost {
  /** Rejects with `Unauthenticated` or `NotAccepting`. */
  readonly authenticate: (token: string) => Promise<UserPrincipal>;
  /** A good credential that was revoked. */
  readonly isRevoked: (principal: UserPrincipal) => boolean;
  readonly authEvents: AuthEvents;
  /** What a credential says of its user holds from here on. */
  readonly noteUser: (user: UserPrincipal) => void;
  /** For `hello`, and again for `confirm`. */
  readonly helloMs: number;
  readonly confirmAuth: boolean;
  readonly nowMs: () => number;
  readonly after: (delayMs: number, task: () => void) => Deadline;
}

/** Its connection. */
export interface CredentialWire {
  readonly attempt: AuthAttempt;
  readonly isOpen: () => boolean;
  readonly send: (frame: StatusFrame | AuthExpiringFrame) => void;
  readonly tell: (fact: ConnectionFact) => void;
}

/** How long before its end a credential is called in. */
const expiryNoticeMs = 30_000;

export class ConnectionCredential {
  principal: UserPrincipal | undefined;
  private readonly host: CredentialHost;
  private readonly wire: CredentialWire;
  private deadline: Deadline | undefined;
  private expiry: Deadline | undefined;
  private isWelcomed = false;
  private isConfirmed = false;

  constructor(host: CredentialHost, wire: CredentialWire, principal: UserPrincipal | undefined) {
    this.host = host;
    this.wire = wire;
    this.principal = principal;
    this.deadline = host.after(host.helloMs, () => {
      this.fail("no_hello", { type: "deadline.passed", reason: "no hello" });
    });
  }

  /** Who says hello; undefined: nobody, and the machine knows. */
  async identify(hello: HelloFrame): Promise<UserPrincipal | undefined> {
    const known = this.principal;
    if (hello.token === undefined) {
      if (known === undefined) this.fail("no_credential", { type: "credential.refused", reason: "no token" });
      return known;
    }
    this.host.authEvents.validating(this.wire.attempt);
    const named = await this.verify(hello.token);
    if (named === undefined) return undefined;
    if (known && !isSameUser(known, named)) {
      this.fail("foreign", { type: "credential.foreign" });
      return undefined;
    }
    this.principal = named;
    return named;
  }

  /** False, and told, when it was revoked since it was checked. */
  stands(principal: UserPrincipal): boolean {
    if (!this.host.isRevoked(principal)) return true;
    this.revoke();
    return false;
  }

  /** The welcome is out. */
  welcomed(): void {
    this.isWelcomed = true;
    this.deadline?.cancel();
    const { helloMs, confirmAuth } = this.host;
    if (!confirmAuth) return;
    this.deadline = this.host.after(helloMs, () => {
      this.fail("no_confirm", { type: "deadline.passed", reason: "no confirm" });
    });
  }

  /** The stream has begun, or goes on under a new token. */
  completed(principal: UserPrincipal): void {
    this.host.authEvents.completed(this.wire.attempt, principal);
    this.say("auth_completed");
    this.watchExpiry(principal);
  }

  confirmed(): void {
    const { principal } = this;
    if (this.isConfirmed || principal === undefined) return;
    this.isConfirmed = true;
    this.deadline?.cancel();
    this.host.authEvents.confirmed(this.wire.attempt, principal);
  }

  /** A new token for the same user: the place in the stream and the window stay. */
  async renew(token: string): Promise<void> {
    this.host.authEvents.started(this.wire.attempt);
    this.say("auth_started");
    this.host.authEvents.validating(this.wire.attempt);
    this.say("auth_validating");
    const named = await this.verify(token);
    if (named === undefined || !this.wire.isOpen() || this.principal === undefined) return;
    if (!isSameUser(this.principal, named)) return this.fail("foreign", { type: "credential.foreign" });
    this.principal = named;
    this.host.noteUser(named);
    this.completed(named);
  }

  /** The wall clock was moved: what is over is over now, and what is not is not. */
  rejudge(): void {
    if (this.expiry !== undefined && this.principal !== undefined) this.watchExpiry(this.principal);
  }

  revoke(): void {
    if (this.principal !== undefined) this.host.authEvents.revoked(this.wire.attempt, this.principal);
    this.say("auth_revoked");
    this.wire.tell({ type: "credential.revoked" });
  }

  end(): void {
    this.deadline?.cancel();
    this.expiry?.cancel();
  }

  private async verify(token: string): Promise<UserPrincipal | undefined> {
    try {
      const named = await this.host.authenticate(token);
      if (!this.host.isRevoked(named)) return named;
      this.fail("revoked", { type: "credential.revoked" });
    } catch (cause) {
      if (cause instanceof Unauthenticated)
        this.fail(cause.reason ?? "not_accepted", { type: "credential.refused", reason: cause.message });
      else if (cause instanceof NotAccepting) this.fail("unavailable", { type: "authority.silent" });
      else throw cause;
    }
    return undefined;
  }

  private fail(reason: AuthFailureReason, fact: ConnectionFact): void {
    if (!this.wire.isOpen()) return;
    this.host.authEvents.failed(this.wire.attempt, reason, this.principal);
    this.say("auth_failed");
    this.wire.tell(fact);
  }

  /** Only on an open stream: the first frame that anybody gets is `welcome`. */
  private say(state: string): void {
    if (this.isWelcomed) this.wire.send({ type: "status", channel: "auth", state });
  }

  /** One entry on the wheel at a time: first the notice, then the end. */
  private watchExpiry({ expiresAtMs }: UserPrincipal): void {
    this.expiry?.cancel();
    const leftMs = (): number => expiresAtMs - this.host.nowMs();
    const end = (): void => {
      // The wheel counts real time; a clock that was set back gives what it takes.
      if (leftMs() > 0) this.expiry = this.host.after(leftMs(), end);
      else this.fail("expired", { type: "credential.expired" });
    };
    const notice = (): void => {
      const inMs = Math.max(Math.round(leftMs()), 0);
      this.wire.send({ type: "auth_expiring", inMs });
      this.expiry = this.host.after(inMs, end);
    };
    this.expiry = this.host.after(Math.max(leftMs() - expiryNoticeMs, 0), notice);
  }
}
