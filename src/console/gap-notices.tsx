/** Offsets that the server declared as lost to this tab: said, not hidden. */
import { Icon } from "./icon.tsx";
import type { GapNotice } from "./run-book.ts";

const reasons: Readonly<Record<string, string>> = {
  retention: "they are older than what is kept",
  epoch: "the log was rebuilt",
  ahead: "the log is shorter than this tab remembers",
  durability_none: "they were sent while no log could take them",
  snapshot: "the current state was sent in their place",
};

export function GapNotices({ gaps, dismiss }: { readonly gaps: readonly GapNotice[]; readonly dismiss: () => void }) {
  return gaps.map(({ from, upto, reason }) => (
    <div key={`${from}-${upto}-${reason}`} className="gap-notice" role="status" data-testid="gap">
      <span>
        Events{" "}
        <span className="mono">
          {from}–{upto}
        </span>{" "}
        will not come: {reasons[reason] ?? reason}.
      </span>
      <button type="button" className="button quiet icon" onClick={dismiss} aria-label="Dismiss">
        <Icon name="cross" size={14} />
      </button>
    </div>
  ));
}
