/** The stream itself, event by event, newest at the bottom; what the log holds, not what the page made of it. */
import { memo, useEffect, useRef, useState } from "react";
import type { StreamEvent } from "../../protocol/event.ts";
import { clockText } from "./durations.ts";
import { Icon } from "./icon.tsx";
import { JsonText } from "./json-text.tsx";

const shownCount = 250;
/** Closer to the end than this means: the reader wants to see what comes. */
const stickyPx = 40;

function matches(event: StreamEvent, words: string, deltas: boolean): boolean {
  if (!deltas && event.type === "agent_delta") return false;
  if (words === "") return true;
  return (
    `${event.type} ${event.runId ?? ""} ${event.offset}`.includes(words) || JSON.stringify(event.data).includes(words)
  );
}

/** What a reader looks for first in an event of this type; all of it is a click away. */
function brief({ data }: StreamEvent): string {
  const { channel, text, toolName, ...rest } = data as Readonly<Record<string, unknown>>;
  if (typeof text === "string") return `${typeof channel === "string" ? `${channel} ` : ""}${JSON.stringify(text)}`;
  if (typeof toolName === "string") return `${toolName} ${JSON.stringify(rest["args"] ?? rest)}`;
  return JSON.stringify(data);
}

const EventRow = memo(function EventRow({
  event,
  open,
  toggle,
}: {
  readonly event: StreamEvent;
  readonly open: boolean;
  readonly toggle: (offset: number) => void;
}) {
  return (
    <li
      className={`event-row ${event.type.startsWith("x.") ? "notice" : event.type}`}
      data-testid="event"
      data-type={event.type}
    >
      <button type="button" className="event-line mono" aria-expanded={open} onClick={() => toggle(event.offset)}>
        <span className="event-offset">{event.offset}</span>
        <span className="event-seq">{event.seq ?? ""}</span>
        <span className="event-type">{event.type}</span>
        <span className="event-data">{brief(event)}</span>
        {event.repaired && <span className="repaired">repaired</span>}
        <time className="event-time" dateTime={event.time}>
          {clockText(event.time)}
        </time>
      </button>
      {open && <JsonText value={event} />}
    </li>
  );
});

export function EventInspector({ events }: { readonly events: readonly StreamEvent[] }) {
  const [words, setWords] = useState("");
  const [deltas, setDeltas] = useState(true);
  const [opened, setOpened] = useState<number>();
  const list = useRef<HTMLOListElement>(null);
  const sticks = useRef(true);
  const shown = events.filter((event) => matches(event, words, deltas)).slice(-shownCount);
  const newest = shown.at(-1)?.offset;

  useEffect(() => {
    if (sticks.current) list.current?.scrollTo({ top: list.current.scrollHeight });
  }, [newest, shown.length]);

  return (
    <section className="inspector" aria-label="Events of the stream">
      <header className="inspector-head">
        <h2 className="panel-title">Stream</h2>
        <span className="inspector-columns mono" aria-hidden="true">
          offset · seq · type
        </span>
        <label className="inspector-deltas">
          <input type="checkbox" checked={deltas} onChange={(event) => setDeltas(event.target.checked)} />
          deltas
        </label>
        <input
          className="inspector-filter"
          type="search"
          placeholder="Filter"
          aria-label="Filter events"
          value={words}
          onChange={(event) => setWords(event.target.value)}
        />
      </header>
      <ol
        ref={list}
        className="event-list"
        tabIndex={-1}
        onScroll={({ currentTarget: { scrollHeight, scrollTop, clientHeight } }) => {
          sticks.current = scrollHeight - scrollTop - clientHeight < stickyPx;
        }}
      >
        {shown.length === 0 && (
          <li className="empty">
            <Icon name="chevron" size={13} /> {events.length === 0 ? "Waiting for events" : "No event matches"}
          </li>
        )}
        {shown.map((event) => (
          <EventRow
            key={event.offset}
            event={event}
            open={event.offset === opened}
            toggle={(offset) => setOpened((now) => (now === offset ? undefined : offset))}
          />
        ))}
      </ol>
    </section>
  );
}
