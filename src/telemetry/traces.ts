/**
 * The spans of the house: what was appended, delivered and replayed, under the trace that the runner named. The log and
 * the hubs begin them; without a tracer there is no object of this and no span. A tracer that throws costs its span.
 */
import type { Journal } from "./journal.ts";
import type { SpanAttributes, SpanLink, Tracer, TracerSpan } from "./tracer.ts";
import { contextOf, spanContextOf } from "./tracer.ts";

/** Of a batch that joins many traces; the first is the parent. */
const maxLinks = 16;
const internal = 0;
const producer = 3;
const failedStatus = 2;

/** What names a trace: an event, written or to be written. */
interface Traced {
  readonly traceparent?: string | undefined;
}

/** The distinct traces of some events, in their order. */
function tracesOf(events: readonly Traced[]): readonly SpanLink[] {
  const texts = new Set<string>();
  for (const { traceparent } of events) {
    if (traceparent !== undefined) texts.add(traceparent);
    if (texts.size > maxLinks) break;
  }
  return [...texts].map(spanContextOf).flatMap((context) => (context === undefined ? [] : [{ context }]));
}

export class OpenSpan {
  private readonly span: TracerSpan;
  private readonly onBug: (cause: unknown) => void;

  constructor(span: TracerSpan, onBug: (cause: unknown) => void) {
    this.span = span;
    this.onBug = onBug;
  }

  /** It came to this. */
  end(attributes: SpanAttributes, events: readonly Traced[] = []): void {
    this.close(() => {
      for (const [name, value] of Object.entries(attributes)) this.span.setAttribute(name, value);
      if (events.length > 0) this.span.addLinks?.([...tracesOf(events)]);
    });
  }

  /** It failed. `error` is a name: no message, which may hold what nobody should read. */
  fail(error: string): void {
    this.close(() => {
      this.span.setAttribute("error.type", error);
      this.span.setStatus({ code: failedStatus });
    });
  }

  private close(say: () => void): void {
    try {
      say();
      this.span.end();
    } catch (cause) {
      this.onBug(cause);
    }
  }
}

export class Traces {
  private readonly tracer: Tracer;
  private readonly journal: Journal;
  private hasFailed = false;

  constructor(tracer: Tracer, journal: Journal) {
    this.tracer = tracer;
    this.journal = journal;
  }

  /** Events are written to the log. */
  append(events: readonly Traced[], attributes: SpanAttributes): OpenSpan | undefined {
    return this.begin("runcast.append", producer, attributes, tracesOf(events));
  }

  /** A commit is handed to the connections of its user. */
  deliver(events: readonly Traced[], attributes: SpanAttributes): OpenSpan | undefined {
    return this.begin("runcast.deliver", producer, attributes, tracesOf(events));
  }

  /** A connection reads what it has missed. Its traces are known when it has been read: links, and no parent. */
  replay(attributes: SpanAttributes): OpenSpan | undefined {
    return this.begin("runcast.replay", internal, attributes, []);
  }

  private begin(
    name: string,
    kind: 0 | 3,
    attributes: SpanAttributes,
    [parent, ...links]: readonly SpanLink[],
  ): OpenSpan | undefined {
    const options = { kind, attributes: { ...attributes }, links };
    try {
      const span = this.tracer.startSpan(name, options, parent && contextOf(parent.context));
      return new OpenSpan(span, (cause) => this.bug(cause));
    } catch (cause) {
      this.bug(cause);
      return undefined;
    }
  }

  /** Said once: it would be said for every event. */
  private bug(cause: unknown): void {
    if (!this.hasFailed) this.journal.write("error", "tracer.failed", { cause });
    this.hasFailed = true;
  }
}
