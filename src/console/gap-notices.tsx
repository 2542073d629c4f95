/** Offsets that the server declared as lost to this tab: said, not hidden. */
import { Icon } from "./icon.tsx";
import type { GapNotice } from "./run-book.ts";

const reasons: Readonly<Record<string, string>> = {
  retention: "they are older than what is kept",
  durability_none: "they were sent while no log could take them",
  snapshot: "the current state was sent in their place",
};

/** The server's log is not the one that this tab has read. */
export const isNewLog = ({ reason }: GapNotice): boolean => reason === "epoch" || reason === "ahead";

function Words({ gap }: { readonly gap: GapNotice }) {
  if (isNewLog(gap)) {
    return (
      <span>The server's log is not the one this tab was reading. What is shown now is what the new one holds.</span>
    );
  }
  const { from, upto, reason } = gap;
  return (
    <span>
      Events{" "}
      <span className="mono">
        {from}–{upto}
      </span>{" "}
      will not come: {reasons[reason] ?? reason}.
    </span>
  );
}

export function GapNotices({ gaps, dismiss }: { readonly gaps: readonly GapNotice[]; readonly dismiss: () => void }) {
  return gaps.map((gap, index) => (
    // Two gaps may look the same; the list only grows at its end.
    <div key={index} className="gap-notice" role="status" data-testid="gap" data-reason={gap.reason}>
      <Words gap={gap} />
      <button type="button" className="button quiet icon" onClick={dismiss} aria-label="Dismiss">
        <Icon name="cross" size={14} />
      </button>
    </div>
  ));
}
