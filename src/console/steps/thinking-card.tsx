/** The agent thinks: open while it does, folded to its first line when it is done. */
import { useState } from "react";
import { Icon } from "../icon.tsx";
import type { ThinkingStep } from "../timeline.ts";

const maxBriefChars = 110;

function brief(text: string): string {
  const line = text.trim().replaceAll(/\s+/g, " ");
  return line.length > maxBriefChars ? `${line.slice(0, maxBriefChars)}…` : line;
}

export function ThinkingCard({ step, living }: { readonly step: ThinkingStep; readonly living: boolean }) {
  const thinks = step.open && living;
  // Undefined: the reader has not touched it, so it opens and folds by itself.
  const [choice, setChoice] = useState<boolean>();
  const label = thinks ? "Thinking" : "Thought";
  if (step.text.trim() === "") {
    return (
      <p className={thinks ? "thinking plain active" : "thinking plain"}>
        {thinks ? "Thinking" : "Thinking step"}
        {step.number !== undefined && <span className="step-number">step {step.number}</span>}
      </p>
    );
  }
  const open = choice ?? thinks;
  return (
    <div className={`thinking${thinks ? " active" : ""}${open ? " open" : ""}`}>
      <button type="button" className="thinking-head" aria-expanded={open} onClick={() => setChoice(!open)}>
        <span className="thinking-label">{label}</span>
        {!open && <span className="thinking-brief">{brief(step.text)}</span>}
        <Icon name="chevron" size={14} />
      </button>
      {open && <div className="thinking-text">{step.text}</div>}
    </div>
  );
}
