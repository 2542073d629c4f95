/** The runs of one thread, one turn each; the view stays at the newest until the reader scrolls away. */
import { useEffect, useRef } from "react";
import type { RunEntry } from "./run-book.ts";
import type { ResolveApproval } from "./steps/approval-card.tsx";
import { Turn } from "./steps/turn.tsx";

/** Closer to the end than this means: the reader wants to see what comes. */
const stickyPx = 120;

interface ConversationProps {
  readonly threadId: string;
  /** Oldest first. */
  readonly turns: readonly RunEntry[];
  readonly selected: string | undefined;
  readonly select: (runId: string) => void;
  readonly resolve: ResolveApproval;
  readonly openRun: (runId: string) => void;
  readonly listed: boolean;
}

export function Conversation({ threadId, turns, selected, select, resolve, openRun, listed }: ConversationProps) {
  const scroll = useRef<HTMLDivElement>(null);
  const sticks = useRef(true);

  useEffect(() => {
    sticks.current = true;
  }, [threadId, turns.length]);

  useEffect(() => {
    if (sticks.current) scroll.current?.scrollTo({ top: scroll.current.scrollHeight });
  }, [threadId, turns]);

  return (
    <div
      ref={scroll}
      className="talk-scroll"
      onScroll={({ currentTarget: { scrollHeight, scrollTop, clientHeight } }) => {
        sticks.current = scrollHeight - scrollTop - clientHeight < stickyPx;
      }}
    >
      <div className="talk-column" role="log" aria-live="off" aria-label="Conversation">
        {turns.length === 0 && listed && (
          <div className="welcome">
            <h1>Ask, and watch it work</h1>
            <p>
              The agent thinks, calls its tools and answers. Reload in the middle, open a second tab, cut the
              connection: every step is still there, once.
            </p>
          </div>
        )}
        {turns.map((entry) => (
          <Turn
            key={entry.view.runId}
            entry={entry}
            selected={entry.view.runId === selected && turns.length > 1}
            select={select}
            resolve={resolve}
            openRun={openRun}
          />
        ))}
      </div>
    </div>
  );
}
