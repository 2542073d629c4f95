/**
 * Which connections batch, and how: what they asked for, their tier and the flag decide, anew whenever a flag changes.
 * All that wait share one wheel, and so one timer.
 */
import type { HelloFrame } from "../../protocol/frames.ts";
import type { RunId, TenantId } from "../../protocol/ids.ts";
import type { Mode } from "../../protocol/http.ts";
import type { Clock } from "../platform/clock.ts";
import { Batcher } from "./batcher.ts";
import type { UserConnection } from "./connection.ts";
import { Deadlines } from "./deadlines.ts";
import type { StreamHub } from "./hub.ts";
import type { Outbox } from "./outbox.ts";
import type { UserTerms } from "./user-terms.ts";

/** Finer than the wheel of deadlines: a batch waits for 50 ms. */
const tickMs = 5;

export interface BatchingTerms {
  readonly clock: Clock;
  readonly onBug: (cause: unknown) => void;
  readonly userTerms: UserTerms;
  /** Of a run that is at hand. */
  readonly modeOf: (tenantId: TenantId, runId: RunId) => Mode | undefined;
}

export class Batching {
  private readonly terms: BatchingTerms;
  private readonly wheel: Deadlines;
  private readonly asked = new WeakMap<UserConnection, HelloFrame["batch"]>();

  constructor(terms: BatchingTerms) {
    this.terms = terms;
    this.wheel = new Deadlines(terms.clock, terms.onBug, tickMs);
  }

  /** A connection begins, with what it asked for. */
  join(connection: UserConnection, hub: StreamHub, outbox: Outbox, asked: HelloFrame["batch"]): void {
    if (asked !== undefined) this.asked.set(connection, asked);
    const batcher = this.batcherOf(connection, hub, outbox);
    if (batcher !== undefined) outbox.batchBy(batcher);
  }

  /** A flag has changed. */
  rethink(connections: Iterable<UserConnection>): void {
    for (const connection of connections) {
      const { hub, outbox } = connection;
      if (hub === undefined || outbox === undefined) continue;
      outbox.batchBy(this.batcherOf(connection, hub, outbox));
      outbox.pump();
    }
  }

  stop(): void {
    this.wheel.stop();
  }

  private batcherOf(connection: UserConnection, hub: StreamHub, outbox: Outbox): Batcher | undefined {
    const { clock, userTerms, modeOf } = this.terms;
    const { principal } = connection;
    const terms = principal && userTerms.batchingOf(principal, this.asked.get(connection));
    if (principal === undefined || terms === undefined) return undefined;
    return new Batcher(terms, {
      hub,
      mono: () => clock.mono(),
      wheel: this.wheel,
      health: () => connection.health,
      isFast: ({ runId }) => runId !== undefined && modeOf(principal.tenantId, runId) === "performance",
      flush: () => outbox.pump(),
    });
  }
}
