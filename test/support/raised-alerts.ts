/** An alert port that keeps what is raised and takes away what is resolved. */
import type { Alert, Alerts } from "../../src/telemetry/alerts.ts";

export class RaisedAlerts implements Alerts {
  readonly all: Alert[] = [];
  readonly standing = new Set<string>();

  raise(alert: Alert): void {
    this.all.push(alert);
    this.standing.add(alert.name);
  }

  resolve(name: string): void {
    this.standing.delete(name);
  }
}
