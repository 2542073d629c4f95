/** Tells the operator when many are not let in: one alert for the whole of it, not one for each bad token. */
import type { Clock } from "../platform/clock.ts";
import type { Alerts } from "../telemetry/alerts.ts";

const alertName = "AuthFailures";
export const alarmAfterFailures = 50;
export const alarmWindowMs = 60_000;

export class FailureAlarm {
  private readonly alerts: Alerts;
  private readonly clock: Clock;
  /** When the last ones happened, oldest first: as many as it takes. Monotonic. */
  private readonly times: number[] = [];
  private cancelTimer: (() => void) | undefined;

  constructor(alerts: Alerts, clock: Clock) {
    this.alerts = alerts;
    this.clock = clock;
  }

  count(): void {
    this.times.push(this.clock.mono());
    if (this.times.length > alarmAfterFailures) this.times.shift();
    if (this.cancelTimer !== undefined || !this.isMet()) return;
    this.alerts.raise({
      name: alertName,
      severity: "warning",
      summary: `${alarmAfterFailures} or more credentials were refused within ${alarmWindowMs / 1_000} s: the audit log names reasons and networks`,
    });
    this.lookAgain();
  }

  stop(): void {
    this.cancelTimer?.();
  }

  private isMet(): boolean {
    const [oldest] = this.times;
    return (
      this.times.length === alarmAfterFailures && oldest !== undefined && oldest > this.clock.mono() - alarmWindowMs
    );
  }

  private lookAgain(): void {
    this.cancelTimer = this.clock.after(alarmWindowMs, () => {
      this.cancelTimer = undefined;
      if (this.isMet()) this.lookAgain();
      else this.alerts.resolve(alertName);
    });
  }
}
