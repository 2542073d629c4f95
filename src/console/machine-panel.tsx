/** The machine of one run: which run, which state, how far. */
import { stateName } from "./state-name.ts";
import { RunChart } from "./statechart/run-chart.tsx";
import type { RunEntry } from "./run-book.ts";

export function MachinePanel({ entry }: { readonly entry: RunEntry | undefined }) {
  const state = entry?.view.state ?? "idle";
  return (
    <section className="machine" aria-label="State of the run">
      <header className="machine-head">
        <h2 className="panel-title">Run machine</h2>
        {entry !== undefined && (
          <span className="machine-run mono" title={entry.view.runId}>
            seq {entry.view.seq} · {entry.view.runId}
          </span>
        )}
      </header>
      <p className="visually-hidden" role="status">
        {entry === undefined ? "No run" : `${entry.title}: ${stateName(state)}`}
      </p>
      <RunChart runId={entry?.view.runId} state={state} />
    </section>
  );
}
