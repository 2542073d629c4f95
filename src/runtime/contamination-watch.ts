/**
 * Tells of contamination (L8): each payload that named somebody else is counted; the operator hears of a tenant once,
 * when it begins, and of its end when nothing has come for a while. No payload, no path and no user is told.
 */
import type { TenantId } from "../../protocol/ids.ts";
import type { Clock } from "../platform/clock.ts";
import type { Alerts } from "../telemetry/alerts.ts";
import type { Journal } from "../telemetry/journal.ts";
import type { Deadline, Deadlines } from "./deadlines.ts";

const contaminationAlert = "ContaminationRefused";
/** Without another one, it is over. */
const contaminationQuietMs = 300_000;

export interface ContaminationWatchTerms {
  readonly alerts: Alerts;
  readonly journal: Journal;
  readonly deadlines: Deadlines;
  readonly clock: Clock;
}

interface Episode {
  count: number;
  readonly quiet: Deadline;
}

export class ContaminationWatch {
  private readonly terms: ContaminationWatchTerms;
  /** Payloads so far. */
  count = 0;
  private readonly episodes = new Map<TenantId, Episode>();

  constructor(terms: ContaminationWatchTerms) {
    this.terms = terms;
  }

  /** A payload for a user of this tenant named somebody else. */
  note(tenantId: TenantId): void {
    this.count += 1;
    const episode = this.episodes.get(tenantId);
    if (episode) {
      episode.count += 1;
      episode.quiet.moveTo(this.terms.clock.mono() + contaminationQuietMs);
      return;
    }
    this.episodes.set(tenantId, { count: 1, quiet: this.untilQuiet(tenantId) });
    this.terms.journal.write("error", "contamination.began", { tenantId });
    this.terms.alerts.raise({
      name: contaminationAlert,
      severity: "critical",
      summary: `A publisher of tenant ${JSON.stringify(tenantId)} sends payloads that name another user as receiver.`,
      labels: { tenant: tenantId },
    });
  }

  private untilQuiet(tenantId: TenantId): Deadline {
    return this.terms.deadlines.after(contaminationQuietMs, () => {
      const count = this.episodes.get(tenantId)?.count ?? 0;
      this.episodes.delete(tenantId);
      this.terms.journal.write("info", "contamination.ended", { tenantId, payloads: count });
      this.terms.alerts.resolve(contaminationAlert, { tenant: tenantId });
    });
  }
}
