/** What the runtime counts and shows beside its plain numbers: the metrics and the alert rules are read off it. */
import type { BreakersAnswer } from "../../protocol/http.ts";
import type { BreakerView } from "./breakers.ts";
import type { RuntimeStats, SupervisorState } from "./runtime.ts";

export interface RuntimeFigures {
  readonly state: SupervisorState;
  readonly stats: RuntimeStats;
  readonly breakers: readonly BreakerView[];
  readonly connectionBreakers: BreakersAnswer["connections"];
}
