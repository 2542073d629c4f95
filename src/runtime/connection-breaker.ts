/**
 * The breaker of one connection: the machine of all breakers, without an actor while there is no trouble and without a
 * timer ever. The shared heartbeat of `connections` drives it, acks close it, and the outbox asks it before each frame:
 * while it is open its reader costs its cursor and nothing else (L11, L13).
 *
 * It fails at a heartbeat that went unanswered, or at which frames stand un-acked with no progress of the ack for a whole
 * beat, and at a write that the socket refused. Who has never acked owes no ack: its window alone bounds it.
 */
import type { Actor } from "xstate";
import { initialTransition } from "xstate";
import type { BreakerFact, BreakerSettings, BreakerState } from "../../machines/circuit-breaker.ts";
import { breakerHealth, breakerPermission, circuitBreakerMachine } from "../../machines/circuit-breaker.ts";
import type { Offset } from "../../protocol/ids.ts";
import type { FrameGate } from "./outbox.ts";

/** Of every connection; what is left out is as in every breaker. */
export const connectionBreakerDefaults: Partial<BreakerSettings> = { probeCount: 1 };

/** What a connection's breaker looks at with each heartbeat. */
export interface AckPlace {
  readonly acked: Offset;
  readonly hasUnacked: boolean;
  /** Its client acknowledges what it gets. */
  readonly hasAcked: boolean;
}

export interface ConnectionBreakerHost {
  readonly mono: () => number;
  /** An actor for it, started. */
  readonly spawn: (id: string) => Actor<typeof circuitBreakerMachine>;
  readonly release: (actor: Actor<typeof circuitBreakerMachine>) => void;
}

const [untroubled] = initialTransition(circuitBreakerMachine, {});
/** No frame stood un-acked at the last heartbeat. */
const nowhere = -1;

export class ConnectionBreaker implements FrameGate {
  private readonly host: ConnectionBreakerHost;
  private readonly id: string;
  private readonly onTurn: (state: BreakerState) => void;
  private actor: Actor<typeof circuitBreakerMachine> | undefined;
  /** The ack behind which frames stood at the last heartbeat. */
  private stoodAt: Offset = nowhere;
  private reopensAtMono = 0;
  private isFreed = false;

  constructor(host: ConnectionBreakerHost, id: string, onTurn: (state: BreakerState) => void) {
    this.host = host;
    this.id = id;
    this.onTurn = onTurn;
  }

  get state(): BreakerState {
    return this.snapshot.value;
  }

  /** Whether it holds an actor: something failed, and has not come right since. */
  get isTroubled(): boolean {
    return this.actor !== undefined;
  }

  /** `lag` is the part of its window that is not acked, 0 to 1. */
  health(lag: number): number {
    return breakerHealth(this.snapshot, lag);
  }

  get lets(): boolean {
    return this.actor === undefined || breakerPermission(this.snapshot) !== "refused";
  }

  sent(): void {
    if (this.actor === undefined || this.state !== "halfOpen") return;
    this.send({ type: "probe.taken" });
    // A probe has a whole beat for its ack, whatever stands before it.
    this.stoodAt = nowhere;
  }

  /** The ack has moved: whatever was doubted, its reader reads. */
  progressed(): void {
    if (this.actor === undefined) return;
    // What stands un-acked since it opened is a probe already: its ack is not made to wait.
    if (this.state === "open") this.send({ type: "openMs.passed" });
    if (this.state === "halfOpen" && this.snapshot.context.probes === 0) this.send({ type: "probe.taken" });
    this.send({ type: "call.succeeded" });
    if (this.state === "closed") this.letGo();
  }

  failed(): void {
    if (this.isFreed) return;
    this.actor ??= this.host.spawn(this.id);
    this.send({ type: "call.failed" });
  }

  /** One round of the heartbeat. `place` is undefined before its stream begins. */
  beat(place: AckPlace | undefined, isAnswered: boolean): void {
    if (this.state === "open" && this.host.mono() >= this.reopensAtMono) this.send({ type: "openMs.passed" });
    const owesAck = place !== undefined && place.hasAcked && place.hasUnacked;
    if (!isAnswered || (owesAck && place.acked === this.stoodAt)) this.failed();
    else if (!owesAck && this.state !== "open") this.progressed();
    this.stoodAt = owesAck ? place.acked : nowhere;
  }

  /** Its connection is over. */
  free(): void {
    this.isFreed = true;
    this.letGo();
  }

  private get snapshot(): typeof untroubled {
    return this.actor?.getSnapshot() ?? untroubled;
  }

  private letGo(): void {
    if (this.actor) this.host.release(this.actor);
    this.actor = undefined;
  }

  private send(fact: BreakerFact): void {
    const before = this.state;
    this.actor?.send(fact);
    const { value: now, context } = this.snapshot;
    if (now === before) return;
    if (now === "open") this.reopensAtMono = this.host.mono() + context.settings.openMs;
    this.onTurn(now);
  }
}
