/**
 * What the page knows of the user's runs: history that was read once over HTTP and what the stream brought since.
 * The two never overlap: history is taken up to the offset where the stream began, the stream counts after it (L5).
 */
import { isLivingState } from "../../machines/legality.ts";
import type { RunEvent, StreamEvent } from "../../protocol/event.ts";
import type { RunSummary } from "../../protocol/http.ts";
import type { RunView } from "../../protocol/run-view.ts";
import { EventTail } from "./event-tail.ts";
import { emptyTimeline, foldEvent, promptOf, type Timeline } from "./timeline.ts";

/** Reads of the past; both answer for the user that is logged in. */
export interface HistoryReader {
  /** The newest runs. */
  runs(): Promise<readonly RunSummary[]>;
  /** The first event of one run: what it was asked. */
  first(runId: string): Promise<RunEvent | undefined>;
  /** All events of one run. */
  events(runId: string): Promise<readonly RunEvent[]>;
}

export interface RunEntry {
  readonly view: RunView;
  readonly prompt?: string;
  readonly title: string;
  readonly timeline: Timeline;
  /** `none`: only its view is known. `whole`: every step up to now is in the timeline. */
  readonly history: "none" | "loading" | "whole" | "failed";
}

export interface GapNotice {
  readonly from: number;
  readonly upto: number;
  readonly reason: string;
}

export interface BookPage {
  /** Newest first. */
  readonly runs: readonly RunEntry[];
  /** Oldest first, bounded. */
  readonly events: readonly StreamEvent[];
  readonly gaps: readonly GapNotice[];
  /** The list of past runs has been read (or could not be). */
  readonly listed: boolean;
}

const maxGaps = 20;
/** About one picture: tokens that come faster are drawn together. */
const flushMs = 16;

const emptyPage: BookPage = { runs: [], events: [], gaps: [], listed: false };

/** By the state, which a summary has too. */
export const isLiving = ({ view }: Pick<RunEntry, "view">): boolean => isLivingState(view.state);

export class RunBook {
  readonly #reader: HistoryReader;
  /** The newest folded view of a run, as the client has it. */
  readonly #viewOf: (runId: string) => RunView | undefined;
  readonly #listeners = new Set<() => void>();
  readonly #entries = new Map<string, RunEntry>();
  /** Events of runs whose history is not here yet. */
  readonly #waiting = new Map<string, RunEvent[]>();
  readonly #touched = new Set<string>();
  readonly #tail = new EventTail();
  #gaps: readonly GapNotice[] = [];
  #listed = false;
  #boundary = Number.POSITIVE_INFINITY;
  /** How often the stream began. */
  #beginnings = 0;
  #page = emptyPage;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(reader: HistoryReader, viewOf: (runId: string) => RunView | undefined) {
    this.#reader = reader;
    this.#viewOf = viewOf;
  }

  /** The stream begins after `offset`. What was known before is read again, as it may have been lost on the way. */
  begin(offset: number, living: readonly RunView[]): void {
    this.#boundary = offset;
    this.#beginnings += 1;
    this.#waiting.clear();
    const wanted = [...this.#entries.values()].filter(
      (entry) => entry.history === "loading" || (entry.history !== "none" && isLiving(entry)),
    );
    for (const view of living) this.#putView(view);
    for (const entry of wanted) {
      const { runId } = entry.view;
      this.#put(runId, { timeline: emptyTimeline, history: "none" });
      this.open(runId);
    }
    this.#changed();
  }

  /** The log is another one: nothing that was known is true. */
  reset(): void {
    this.#beginnings += 1;
    this.#boundary = Number.POSITIVE_INFINITY;
    this.#entries.clear();
    this.#waiting.clear();
    this.#touched.clear();
    this.#tail.clear();
    this.#changed();
  }

  /** Reads the list of recent runs, and then what each was asked. */
  async list(): Promise<void> {
    let listed: readonly RunSummary[] = [];
    try {
      listed = await this.#reader.runs();
      for (const summary of listed) this.#putSummary(summary);
    } finally {
      this.#listed = true;
      this.#changed();
    }
    const nameless = listed.filter(({ runId }) => this.#entries.get(runId)?.prompt === undefined);
    await Promise.all(nameless.map(({ runId }) => this.#ask(runId)));
  }

  /** Wants the steps of a run from its beginning. */
  open(runId: string): void {
    const entry = this.#entries.get(runId);
    if (entry === undefined || (entry.history !== "none" && entry.history !== "failed")) return;
    this.#put(runId, { history: "loading" });
    this.#changed();
    const beginning = this.#beginnings;
    this.#reader.events(runId).then(
      (events) => {
        // The stream has begun anew meanwhile: that start has asked again.
        if (beginning === this.#beginnings) this.#fill(runId, events);
      },
      () => {
        if (beginning !== this.#beginnings) return;
        this.#put(runId, { history: "failed" });
        this.#changed();
      },
    );
  }

  event(event: StreamEvent): void {
    this.#tail.add(event);
    if (event.runId !== undefined) {
      if (event.type === "agent_started") this.#begun(event);
      const entry = this.#entries.get(event.runId);
      if (entry?.history === "whole") this.#put(event.runId, { timeline: foldEvent(entry.timeline, event) });
      else this.#wait(event);
      this.#touched.add(event.runId);
    }
    this.#changed();
  }

  gap(gap: GapNotice): void {
    this.#gaps = [...this.#gaps, gap].slice(-maxGaps);
    this.#changed();
  }

  dismissGaps(): void {
    this.#gaps = [];
    this.#changed();
  }

  /** Something about this run changed beside the stream (stalled). */
  touch(runId: string): void {
    this.#touched.add(runId);
    this.#changed();
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly page = (): BookPage => this.#page;

  close(): void {
    clearTimeout(this.#timer);
    this.#listeners.clear();
  }

  #begun(event: Extract<RunEvent, { type: "agent_started" }>): void {
    const { runId, threadId, seq, offset, time, data } = event;
    this.#putView({
      runId,
      ...(threadId !== undefined && { threadId }),
      agent: data.agent,
      state: "started",
      seq,
      offset,
      startedAt: time,
      input: data.input,
      messages: [],
      tools: [],
      approvals: [],
    });
    // It began on the stream, so the stream has all of it.
    if (this.#entries.get(runId)?.timeline.seq === 0) this.#put(runId, { history: "whole" });
  }

  #wait(event: RunEvent): void {
    const waiting = this.#waiting.get(event.runId);
    if (waiting === undefined) this.#waiting.set(event.runId, [event]);
    else waiting.push(event);
  }

  #fill(runId: string, events: readonly RunEvent[]): void {
    const past = events.filter((event) => event.offset <= this.#boundary);
    const all = [...past, ...(this.#waiting.get(runId) ?? [])];
    this.#waiting.delete(runId);
    this.#put(runId, { timeline: all.reduce(foldEvent, emptyTimeline), history: "whole" });
    for (const event of past) this.#tail.add(event);
    this.#changed();
  }

  #putSummary(summary: RunSummary): void {
    const known = this.#entries.get(summary.runId)?.view;
    if (known !== undefined && known.seq >= summary.seq) return;
    this.#putView({ messages: [], tools: [], approvals: [], ...known, ...summary });
  }

  #putView(view: RunView): void {
    const known = this.#entries.get(view.runId);
    if (known !== undefined && known.view.seq > view.seq) return;
    const entry = known ?? { title: `${view.agent} · ${view.runId}`, timeline: emptyTimeline, history: "none" };
    this.#entries.set(view.runId, { ...entry, view });
    this.#name(view.runId, view.input);
  }

  #name(runId: string, input: unknown): void {
    const prompt = promptOf(input);
    if (prompt !== undefined) this.#put(runId, { prompt, title: prompt });
  }

  async #ask(runId: string): Promise<void> {
    // Without it a run has no name to show but its id: no reason to trouble the reader.
    const first = await this.#reader.first(runId).catch(() => undefined);
    if (first?.type !== "agent_started") return;
    this.#name(runId, first.data.input);
    this.#changed();
  }

  #put(runId: string, change: Partial<RunEntry>): void {
    const entry = this.#entries.get(runId);
    if (entry !== undefined) this.#entries.set(runId, { ...entry, ...change });
  }

  #changed(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#flush();
    }, flushMs);
  }

  #flush(): void {
    for (const runId of this.#touched) {
      const view = this.#viewOf(runId);
      if (view !== undefined) this.#putView(view);
    }
    this.#touched.clear();
    this.#page = {
      runs: [...this.#entries.values()].toSorted((one, other) =>
        other.view.startedAt.localeCompare(one.view.startedAt),
      ),
      events: this.#tail.newest(),
      gaps: this.#gaps,
      listed: this.#listed,
    };
    for (const listener of this.#listeners) listener();
  }
}
