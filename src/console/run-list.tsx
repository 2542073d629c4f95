/** The user's recent runs: what was asked, how it stands, when it began. */
import { useEffect, useState } from "react";
import { agoText } from "./durations.ts";
import { Icon } from "./icon.tsx";
import type { RunEntry } from "./run-book.ts";
import { stateName } from "./state-name.ts";

const refreshMs = 30_000;

interface RunListProps {
  readonly runs: readonly RunEntry[];
  readonly selected: string | undefined;
  readonly threadId: string;
  readonly select: (entry: RunEntry) => void;
  readonly startThread: () => void;
}

function useMinute(): number {
  const [nowMs, setNowMs] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNowMs(Date.now()), refreshMs);
    return () => clearInterval(timer);
  }, []);
  return Math.max(nowMs, Date.now());
}

export function RunList({ runs, selected, threadId, select, startThread }: RunListProps) {
  const nowMs = useMinute();
  return (
    <nav className="run-list" aria-label="Recent runs">
      <button type="button" className="button new-thread" onClick={startThread} data-testid="new-thread">
        <Icon name="plus" size={15} />
        New conversation
      </button>
      <h2 className="panel-title">Recent runs</h2>
      {runs.length === 0 && <p className="empty">Nothing yet. Ask something.</p>}
      <ul>
        {runs.map((entry) => {
          const { runId, state, stalled, startedAt } = entry.view;
          return (
            <li key={runId}>
              <button
                type="button"
                className={`run-item${runId === selected ? " selected" : ""}${entry.view.threadId === threadId ? " here" : ""}`}
                aria-current={runId === selected || undefined}
                data-testid={`run-item-${runId}`}
                onClick={() => select(entry)}
              >
                <span className={`state-dot ${stalled ? "stalled" : state}`} />
                <span className="run-title">{entry.title}</span>
                <span className="run-meta">
                  {stalled ? "stalled" : stateName(state)} · {agoText(startedAt, nowMs)}
                </span>
              </button>
            </li>
          );
        })}
      </ul>
    </nav>
  );
}
