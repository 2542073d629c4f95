/** An alert board with its wheel, its breaker and a sink that can be made to fail. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Breakers } from "../../../src/runtime/breakers.ts";
import { Deadlines } from "../../../src/runtime/deadlines.ts";
import { Supervisor } from "../../../src/runtime/supervisor.ts";
import { AlertBoard } from "../../../src/telemetry/alert-board.ts";
import { AlertCarrier } from "../../../src/telemetry/alert-carrier.ts";
import type { AlertPlace } from "../../../src/telemetry/alert-keep.ts";
import { AlertKeep } from "../../../src/telemetry/alert-keep.ts";
import type { Alert, AlertSink, ToldAlert } from "../../../src/telemetry/alerts.ts";
import type { Journal } from "../../../src/telemetry/journal.ts";
import { manualClock } from "../../../src/testing/manual-clock.ts";

export const alert = (name = "LogDown", more: Partial<Alert> = {}): Alert => ({
  name,
  severity: "critical",
  summary: `${name} holds`,
  ...more,
});

/** As in `firing LogDown`. */
export const shown = (told: readonly ToldAlert[]): string[] => told.map(({ state, name }) => `${state} ${name}`);

export class TestSink implements AlertSink {
  readonly name: string;
  readonly taken: ToldAlert[] = [];
  calls = 0;
  mode: "takes" | "rejects" | "hangs" = "takes";
  aborted = 0;

  constructor(name = "pager") {
    this.name = name;
  }

  async send(alerts: readonly ToldAlert[], signal: AbortSignal): Promise<void> {
    this.calls += 1;
    if (this.mode === "rejects") throw new Error("the pager is off");
    if (this.mode === "hangs") {
      signal.addEventListener("abort", () => {
        this.aborted += 1;
      });
      await new Promise<never>(() => {});
    }
    this.taken.push(...alerts);
  }
}

export interface DeskOptions {
  readonly sinks?: readonly AlertSink[];
  readonly place?: AlertPlace;
}

export function openDesk({ sinks = [], place }: DeskOptions = {}) {
  const clock = manualClock();
  const deadlines = new Deadlines(clock, (cause) => {
    throw cause;
  });
  const lines: string[] = [];
  const journal: Journal = { write: (level, what) => void lines.push(`${level} ${what}`) };
  const breakers = new Breakers({ supervisor: new Supervisor(), deadlines, clock });
  const breaker = breakers.of("system-alert");
  const board = new AlertBoard({
    ...{ clock, deadlines, journal },
    carriers: sinks.map((sink) => new AlertCarrier({ sink, breaker, deadlines, journal })),
    keep: place && new AlertKeep(place, journal),
  });
  return { clock, deadlines, board, breaker, lines };
}

/** A place that a test can look into. */
export function memoryPlace(text?: string): AlertPlace & { text: string | undefined; isBroken: boolean } {
  return {
    text,
    isBroken: false,
    async read() {
      return this.text;
    },
    async write(given) {
      if (this.isBroken) throw new Error("no space left");
      this.text = given;
    },
  };
}

/** A folder that is gone when the test is over. */
export function folder(): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), "runcast-alerts-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}
