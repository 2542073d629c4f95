/**
 * The breakers as operators ask for them, over HTTP and in the metrics: those of the process by name, and those of the
 * connections counted. Health is derived when somebody asks, and kept nowhere.
 */
import type { BreakerAnswer, BreakersAnswer } from "../../protocol/http.ts";
import type { AuditLog } from "../auth/audit-log.ts";
import type { PublisherPrincipal } from "../auth/principal.ts";
import { Forbidden, NotFound } from "../errors.ts";
import type { Breakers, BreakerView } from "./breakers.ts";
import type { Connections } from "./connections.ts";
import { nameOf, requireRight } from "./gate.ts";

const fullHealth = 100;

export class BreakerDesk {
  private readonly breakers: Breakers;
  private readonly connections: Connections;
  private readonly auditLog: AuditLog;

  constructor(breakers: Breakers, connections: Connections, auditLog: AuditLog) {
    this.breakers = breakers;
    this.connections = connections;
    this.auditLog = auditLog;
  }

  /** Fails: `Forbidden`. */
  read(caller: PublisherPrincipal): BreakersAnswer {
    requireRight(caller, "admin");
    const breakers = this.breakers.views();
    const health = Math.min(fullHealth, ...breakers.map((view) => view.health));
    return { health, breakers: breakers.map(answerOf), connections: this.countConnections() };
  }

  /** Closes a breaker by hand. Fails: `Forbidden` also for a key that is bound to tenants; `NotFound`. */
  reset(caller: PublisherPrincipal, name: string): BreakerAnswer {
    requireRight(caller, "admin");
    if (caller.tenants !== "*")
      throw new Forbidden({ message: "a breaker is everybody's: this key is bound to tenants" });
    const breaker = this.breakers.find(name);
    if (breaker === undefined) throw new NotFound({ what: "breaker" });
    const { state, failures } = breaker.view;
    breaker.reset();
    this.auditLog.record({ action: "breaker_reset", by: nameOf(caller), details: { breaker: name, state, failures } });
    return answerOf(breaker.view);
  }

  /** Of all connections, at this moment. */
  countConnections(): BreakersAnswer["connections"] {
    const counts = { open: 0, halfOpen: 0, closed: 0, lowestHealth: fullHealth };
    for (const { breaker, health } of this.connections.each()) {
      counts[breaker.state] += 1;
      counts.lowestHealth = Math.min(counts.lowestHealth, health);
    }
    return counts;
  }
}

function answerOf({ retryAfterMs, changedAtMs, ...view }: BreakerView): BreakerAnswer {
  return {
    ...view,
    changedAt: new Date(changedAtMs).toISOString(),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  };
}
