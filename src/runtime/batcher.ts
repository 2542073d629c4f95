/**
 * Holds a connection's events back until a few can leave as one frame, for lines where each frame costs. Between 5 events
 * within 50 ms and 20 within 100 ms: the worse the connection's health, the wider. The outbox asks before it sends live
 * events; order and cover are the outbox's as ever, for what waits here stands in the log and in the hub (L3, L4, L7).
 */
import type { Offset } from "../../protocol/ids.ts";
import { minBatchDelayMs, minBatchEvents } from "../../protocol/limits.ts";
import type { StoredEvent } from "../log/event-log.ts";
import type { Deadline, Deadlines } from "./deadlines.ts";
import type { StreamHub } from "./hub.ts";

/** What a connection asked for, or its tier or a flag gives it. */
export interface BatchTerms {
  readonly maxEvents: number;
  readonly maxDelayMs: number;
  /** False: always as wide as that. */
  readonly isAdaptive: boolean;
}

const maxHealth = 100;

/** What begins or ends a run, asks a human or is a human's answer: nobody waits for company with that. */
const urgentTypes: ReadonlySet<string> = new Set([
  "agent_started",
  "agent_completed",
  "agent_failed",
  "agent_cancelled",
  "agent_interrupted",
  "agent_suspended",
  "approval_resolved",
  "cancel_requested",
  "cancel_refused",
]);
const wholeHub = { maxEvents: Number.MAX_SAFE_INTEGER, maxBytes: Number.MAX_SAFE_INTEGER };

/** So wide is a batch that begins now. */
export function batchWidth(
  { maxEvents, maxDelayMs, isAdaptive }: BatchTerms,
  health: number,
): Pick<BatchTerms, "maxEvents" | "maxDelayMs"> {
  const share = isAdaptive ? 1 - health / maxHealth : 1;
  return {
    maxEvents: Math.round(minBatchEvents + (maxEvents - minBatchEvents) * share),
    maxDelayMs: Math.round(minBatchDelayMs + (maxDelayMs - minBatchDelayMs) * share),
  };
}

export interface BatcherHost {
  readonly hub: Pick<StreamHub, "head" | "eventsAfter">;
  readonly mono: () => number;
  /** One for all connections. */
  readonly wheel: Deadlines;
  /** Of the connection, 0 to 100. */
  readonly health: () => number;
  /** Whether it belongs to a run whose events wait for nothing. */
  readonly isFast: (event: StoredEvent) => boolean;
  /** Has the outbox send what waits. */
  readonly flush: () => void;
}

export class Batcher {
  private readonly terms: BatchTerms;
  private readonly host: BatcherHost;
  private width: Pick<BatchTerms, "maxEvents" | "maxDelayMs">;
  private wakeUp: Deadline | undefined;
  private dueMono = 0;
  /** Looked through for what is urgent. */
  private looked: Offset = 0;
  private isOpen = false;

  constructor(terms: BatchTerms, host: BatcherHost) {
    this.terms = terms;
    this.host = host;
    this.width = batchWidth(terms, host.health());
  }

  /** No frame holds more. */
  get maxEvents(): number {
    return this.width.maxEvents;
  }

  /** Whether what stands behind `after` waits for more. Who is held is asked to send when its time has come. */
  holds(after: Offset): boolean {
    if (this.isOpen) return false;
    const { hub, mono } = this.host;
    if (hub.head <= after) return false;
    if (this.wakeUp === undefined) this.begin(after);
    const fresh = hub.eventsAfter(Math.max(this.looked, after), wholeHub);
    this.looked = hub.head;
    // What is not at hand is read from the log, and that has waited already.
    const isUrgent = fresh === undefined || fresh.some((event) => this.isUrgent(event));
    if (!isUrgent && hub.head - after < this.width.maxEvents && mono() < this.dueMono) return true;
    this.stop();
    return false;
  }

  /** Nothing waits any more. */
  stop(): void {
    this.wakeUp?.cancel();
    this.wakeUp = undefined;
  }

  private begin(after: Offset): void {
    const { mono, wheel, health } = this.host;
    this.width = batchWidth(this.terms, health());
    this.looked = after;
    this.dueMono = mono() + this.width.maxDelayMs;
    this.wakeUp = wheel.at(this.dueMono, () => {
      this.wakeUp = undefined;
      this.isOpen = true;
      this.host.flush();
      this.isOpen = false;
    });
  }

  /** Notices belong to no run and come alone. */
  private isUrgent(event: StoredEvent): boolean {
    return event.runId === undefined || urgentTypes.has(event.type) || this.host.isFast(event);
  }
}
