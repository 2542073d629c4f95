/** One question and the run that answers it: its steps in order, as the log has them. */
import { memo } from "react";
import { clockText } from "../durations.ts";
import { RichText } from "../rich-text.tsx";
import { isLiving, type RunEntry } from "../run-book.ts";
import type { Step } from "../timeline.ts";
import { ApprovalCard, type ResolveApproval } from "./approval-card.tsx";
import { ThinkingCard } from "./thinking-card.tsx";
import { ToolCard } from "./tool-card.tsx";

/** The event that made a step: the name that tests and readers of the log know it by. */
function typeOf(step: Step): string {
  switch (step.kind) {
    case "started":
      return "agent_started";
    case "thinking":
      return "agent_thinking";
    case "tool":
      return step.status === "proposed" ? "tool_proposed" : "tool_executing";
    case "answer":
      return "agent_message";
    case "note":
    case "end":
      return step.type;
  }
}

function StepBody({ step, living }: { readonly step: Step; readonly living: boolean }) {
  switch (step.kind) {
    case "started":
      return (
        <p className="step-line">
          <strong>{step.agent}</strong> started
        </p>
      );
    case "thinking":
      return <ThinkingCard step={step} living={living} />;
    case "tool":
      return <ToolCard step={step} living={living} />;
    case "answer":
      return (
        <div data-testid="answer">
          <RichText text={step.text} open={step.open && living} />
        </div>
      );
    case "note":
      return <p className="step-line note">{step.text}</p>;
    case "end":
      return <p className="step-line end">{step.text}</p>;
  }
}

const StepRow = memo(function StepRow({ step, living }: { readonly step: Step; readonly living: boolean }) {
  const type = typeOf(step);
  const active = living && (("open" in step && step.open) || (step.kind === "tool" && step.status === "executing"));
  const status = step.kind === "tool" ? ` ${step.status}` : "";
  return (
    <li className={`step ${step.kind} ${type}${status}${active ? " active" : ""}`} data-testid="step" data-type={type}>
      <span className="step-dot" />
      <div className="step-body">
        <StepBody step={step} living={living} />
        {step.repaired && <span className="repaired">written by the server</span>}
      </div>
      <time className="step-time mono" dateTime={step.time}>
        {clockText(step.time)}
      </time>
    </li>
  );
});

interface TurnProps {
  readonly entry: RunEntry;
  readonly selected: boolean;
  readonly select: (runId: string) => void;
  readonly resolve: ResolveApproval;
  readonly openRun: (runId: string) => void;
}

export const Turn = memo(function Turn({ entry, selected, select, resolve, openRun }: TurnProps) {
  const { view, timeline } = entry;
  const living = isLiving(entry);
  const open = living ? view.approvals.filter((approval) => approval.decision === undefined) : [];
  return (
    <section
      className={`turn${selected ? " selected" : ""}`}
      data-testid={`run-${view.runId}`}
      data-state={view.state}
      aria-label={entry.title}
      onClick={() => select(view.runId)}
    >
      {entry.prompt !== undefined && (
        <p className="prompt" data-testid="prompt">
          {entry.prompt}
        </p>
      )}
      {entry.history === "loading" && timeline.steps.length === 0 && <p className="turn-loading">Reading the log…</p>}
      {entry.history === "failed" && (
        <p className="refusal" role="alert">
          The earlier steps of this run could not be read.{" "}
          <button type="button" className="button" onClick={() => openRun(view.runId)}>
            Try again
          </button>
        </p>
      )}
      <ol className="steps">
        {timeline.steps.map((step) => (
          <StepRow key={step.key} step={step} living={living} />
        ))}
      </ol>
      {view.state === "suspended" &&
        open.map((approval) => <ApprovalCard key={approval.approvalId} approval={approval} resolve={resolve} />)}
      {view.stalled && living && (
        <p className="stalled-notice" role="status" data-testid="stalled">
          Stalled: the runner has been silent for longer than its lease. If it stays silent, the run is ended for it.
        </p>
      )}
    </section>
  );
});
