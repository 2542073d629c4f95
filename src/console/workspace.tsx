/** The page of a user who is logged in: bar, runs, conversation, machine and stream, all fed by one connection. */
import { useCallback, useEffect, useMemo, useState } from "react";
import { Composer } from "./composer.tsx";
import { CutNotice, StoppedNotice } from "./connection-pill.tsx";
import { Conversation } from "./conversation.tsx";
import { EventInspector } from "./event-inspector.tsx";
import { GapNotices, isNewLog } from "./gap-notices.tsx";
import type { Identity } from "./login.tsx";
import { MachinePanel } from "./machine-panel.tsx";
import { usePushedPlace } from "./push.ts";
import { isLiving, type RunEntry } from "./run-book.ts";
import { RunList } from "./run-list.tsx";
import { newThreadId } from "./session.ts";
import { suggestions } from "./suggestions.ts";
import { TopBar } from "./top-bar.tsx";
import { useStream } from "./use-stream.ts";

/** On a narrow screen one of these is shown. */
const tabs = [
  ["talk", "Chat"],
  ["runs", "Runs"],
  ["machine", "Machine"],
  ["stream", "Stream"],
] as const;
type Tab = (typeof tabs)[number][0];

interface WorkspaceProps {
  readonly identity: Identity;
  readonly threadId: string;
  readonly openThread: (threadId: string) => void;
  readonly logout: () => void;
}

/** Runs without a thread stand alone: their own id is their thread. */
const threadOf = ({ view }: RunEntry): string => view.threadId ?? view.runId;

export function Workspace({ identity, threadId, openThread, logout }: WorkspaceProps) {
  const stream = useStream(identity);
  const { openRun } = stream;
  usePushedPlace(openThread);
  const { runs, events, gaps, listed } = stream.page;
  // Of another log nobody can say what was missed.
  const outage = gaps.some(isNewLog) ? undefined : stream.outage;
  const [chosen, setChosen] = useState<string>();
  const [tab, setTab] = useState<Tab>("talk");

  const turns = useMemo(() => runs.filter((entry) => threadOf(entry) === threadId).toReversed(), [runs, threadId]);
  const newest = turns.at(-1);
  const shown = turns.find(({ view }) => view.runId === chosen) ?? newest;
  const living = turns.findLast(isLiving);

  // A new run takes the light; a thread's steps are read when it is looked at.
  const newestId = newest?.view.runId;
  useEffect(() => setChosen(undefined), [newestId, threadId]);
  useEffect(() => {
    for (const entry of turns) if (entry.history === "none") openRun(entry.view.runId);
  }, [turns, openRun]);

  const select = useCallback(
    (entry: RunEntry) => {
      setChosen(entry.view.runId);
      setTab("talk");
      if (threadOf(entry) !== threadId) openThread(threadOf(entry));
    },
    [threadId, openThread],
  );

  return (
    <div className="workspace" data-tab={tab}>
      <TopBar link={stream.link} channels={stream.channels} cut={stream.cut} identity={identity} logout={logout} />
      <RunList
        runs={runs}
        selected={shown?.view.runId}
        threadId={threadId}
        select={select}
        startThread={() => {
          openThread(newThreadId());
          setTab("talk");
        }}
      />
      <main className="talk">
        <div className="notices">
          {stream.link.phase === "stopped" && <StoppedNotice logout={logout} reason={stream.link.reason} />}
          {outage !== undefined && (
            <CutNotice outage={outage} whole={gaps.length === 0} dismiss={stream.dismissOutage} />
          )}
          <GapNotices gaps={gaps} dismiss={stream.dismissGaps} />
        </div>
        <Conversation
          threadId={threadId}
          turns={turns}
          selected={shown?.view.runId}
          select={setChosen}
          resolve={stream.resolve}
          openRun={openRun}
          listed={listed}
        />
        <Composer
          suggestions={turns.length === 0 ? suggestions : []}
          send={(text) => stream.send(text, threadId)}
          stop={living && (() => stream.stop(living.view.runId))}
          cancelling={living?.view.cancelling === true}
        />
      </main>
      <aside className="side">
        <MachinePanel entry={shown} />
        <EventInspector events={events} />
      </aside>
      <div className="tabs" role="group" aria-label="What to show">
        {tabs.map(([id, label]) => (
          <button
            key={id}
            type="button"
            className={id === "machine" || id === "stream" ? "wide" : undefined}
            aria-pressed={tab === id}
            onClick={() => setTab(id)}
          >
            {label}
          </button>
        ))}
      </div>
    </div>
  );
}
