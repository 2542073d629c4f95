/** One call of a tool: what it was asked, what it said, how long it took. */
import { useEffect, useState } from "react";
import { durationText } from "../durations.ts";
import { Icon } from "../icon.tsx";
import { JsonText } from "../json-text.tsx";
import type { ToolStep } from "../timeline.ts";

const tickMs = 100;
const maxBriefChars = 90;

const words: Readonly<Record<ToolStep["status"], string>> = {
  proposed: "proposed",
  executing: "running",
  ok: "done",
  error: "failed",
  denied: "denied",
  cancelled: "cancelled",
};

/** Counts up while the call runs; the log has the last word. */
function Elapsed({ since }: { readonly since: string }) {
  const [nowMs, setNowMs] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNowMs(Date.now()), tickMs);
    return () => clearInterval(timer);
  }, []);
  return <span className="mono tool-time">{durationText(Math.max(0, nowMs - Date.parse(since)))}</span>;
}

/** The arguments in one line, for the folded card. */
function brief(value: unknown): string {
  if (value === undefined) return "";
  const text =
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? Object.entries(value)
          .map(([name, part]) => `${name}: ${typeof part === "string" ? part : JSON.stringify(part)}`)
          .join(", ")
      : JSON.stringify(value);
  return text.length > maxBriefChars ? `${text.slice(0, maxBriefChars)}…` : text;
}

export function ToolCard({ step, living }: { readonly step: ToolStep; readonly living: boolean }) {
  const runs = step.status === "executing";
  const over = !runs && step.status !== "proposed";
  const outcome = step.error ?? step.result;
  return (
    <div
      className={`tool-card ${step.status}`}
      data-testid="tool-card"
      data-tool={step.toolName}
      data-status={step.status}
    >
      <details>
        <summary>
          <Icon name="tool" size={15} />
          <span className="tool-name mono">{step.toolName}</span>
          <span className="tool-brief">{brief(step.args)}</span>
          {step.attempt > 1 && <span className="tool-time">attempt {step.attempt}</span>}
          {runs && living && step.startedAt !== undefined && <Elapsed since={step.startedAt} />}
          {step.durationMs !== undefined && <span className="mono tool-time">{durationText(step.durationMs)}</span>}
          <span className="tool-status">{words[step.status]}</span>
          <Icon name="chevron" size={14} />
        </summary>
        <div className="tool-body">
          <h4>Arguments</h4>
          <JsonText value={step.args ?? {}} />
          {step.progress !== undefined && !over && (
            <>
              <h4>Progress</h4>
              <JsonText value={step.progress} />
            </>
          )}
          {over && (
            <>
              <h4>{step.error === undefined ? "Result" : "Error"}</h4>
              <JsonText value={outcome ?? null} />
            </>
          )}
        </div>
      </details>
      {over && (
        <p className="tool-outcome" data-testid="step" data-type="tool_completed" data-status={step.status}>
          <span className="tool-arrow">{step.error === undefined ? "→" : "!"}</span>
          <span className="mono">{outcome === undefined ? words[step.status] : brief(outcome)}</span>
        </p>
      )}
    </div>
  );
}
