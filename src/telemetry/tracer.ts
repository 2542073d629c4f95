/**
 * Who makes spans: PORT, typed by structure so that a `Tracer` of `@opentelemetry/api` fits as it is, and nobody who does
 * not trace installs it. `otlp-tracer` is ours; a span says where its parent is by a context of the same structure.
 */
export interface SpanContext {
  /** 32 hex digits. */
  readonly traceId: string;
  /** 16 hex digits. */
  readonly spanId: string;
  /** 1: sampled. */
  readonly traceFlags: number;
  readonly isRemote?: boolean | undefined;
}

export interface SpanLink {
  readonly context: SpanContext;
}

export type SpanAttributes = Readonly<Record<string, string | number | boolean>>;

export interface SpanOptions {
  /** As in OpenTelemetry: 3 producer, 4 consumer. */
  readonly kind?: 0 | 3 | 4;
  readonly attributes?: Record<string, string | number | boolean>;
  readonly links?: SpanLink[];
}

export interface TraceContext {
  getValue(key: symbol): unknown;
  setValue(key: symbol, value: unknown): TraceContext;
  deleteValue(key: symbol): TraceContext;
}

export interface TracerSpan {
  setAttribute(key: string, value: string | number | boolean): unknown;
  /** 2: it failed. */
  setStatus(status: { code: 2 }): unknown;
  addLinks?(links: SpanLink[]): unknown;
  end(): void;
}

export interface Tracer {
  /** Without a context the tracer's own active one holds. */
  startSpan(name: string, options?: SpanOptions, context?: TraceContext): TracerSpan;
}

/** Under this key OpenTelemetry looks for the span of a context. */
export const spanKey = Symbol.for("OpenTelemetry Context Key SPAN");

/** A context in which `parent` is the active span. */
export function contextOf(parent: SpanContext): TraceContext {
  return new ParentContext(new Map([[spanKey, { spanContext: () => parent }]]));
}

class ParentContext implements TraceContext {
  private readonly values: ReadonlyMap<symbol, unknown>;

  constructor(values: ReadonlyMap<symbol, unknown>) {
    this.values = values;
  }

  getValue(key: symbol): unknown {
    return this.values.get(key);
  }

  setValue(key: symbol, value: unknown): TraceContext {
    return new ParentContext(new Map([...this.values, [key, value]]));
  }

  deleteValue(key: symbol): TraceContext {
    return new ParentContext(new Map([...this.values].filter(([known]) => known !== key)));
  }
}

const pattern = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;
const hexadecimal = 16;
const isZero = (digits: string): boolean => /^0+$/.test(digits);

/** What a W3C `traceparent` names; undefined for none and for one that names nothing. */
export function spanContextOf(traceparent: string | undefined): SpanContext | undefined {
  const [, traceId = "", spanId = "", flags = ""] = pattern.exec(traceparent ?? "") ?? [];
  if (traceId === "" || isZero(traceId) || isZero(spanId)) return undefined;
  return { traceId, spanId, traceFlags: Number.parseInt(flags, hexadecimal), isRemote: true };
}
