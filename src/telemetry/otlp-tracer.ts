/**
 * Our tracer for servers: spans go in batches to a collector over OTLP/HTTP, by Effect's exporter. `server` loads it when a
 * collector is configured. A collector that does not answer costs spans and nothing else.
 */
import * as Effect from "effect/Effect";
import * as Exit from "effect/Exit";
import * as FetchHttpClient from "effect/http/FetchHttpClient";
import * as Layer from "effect/Layer";
import * as OtlpSerialization from "effect/observability/OtlpSerialization";
import * as OtlpTracer from "effect/observability/OtlpTracer";
import * as Context from "effect/Context";
import * as Option from "effect/Option";
import * as EffectTracer from "effect/Tracer";
import type { Clock } from "../platform/clock.ts";
import type { OtlpSetting } from "./otlp-settings.ts";
import type { SpanContext, SpanLink, Tracer, TraceContext } from "./tracer.ts";
import { spanKey } from "./tracer.ts";

const nsPerMs = 1e6;
const sampledFlag = 1;
const kinds = { 0: "internal", 3: "producer", 4: "consumer" } as const;

const isSampled = ({ traceFlags }: SpanContext): boolean => (traceFlags & sampledFlag) === sampledFlag;
const foreignSpan = (context: SpanContext): EffectTracer.ExternalSpan =>
  EffectTracer.externalSpan({ traceId: context.traceId, spanId: context.spanId, sampled: isSampled(context) });
const linkOf = ({ context }: SpanLink): EffectTracer.SpanLink => ({ span: foreignSpan(context), attributes: {} });

function parentOf(context: TraceContext | undefined): SpanContext | undefined {
  const span = context?.getValue(spanKey);
  return span === undefined ? undefined : (span as { spanContext(): SpanContext }).spanContext();
}

/** Exports until its scope closes; what is left is sent then, within three seconds. */
export const otlpTracer = Effect.fnUntraced(function* ({ url, headers, serviceName }: OtlpSetting, clock: Clock) {
  const exporter = OtlpTracer.layer({ url, headers, resource: { serviceName } });
  const services = yield* Layer.build(
    exporter.pipe(Layer.provide(OtlpSerialization.layerJson), Layer.provide(FetchHttpClient.layer)),
  );
  return tracerOver(Context.get(services, EffectTracer.Tracer), clock);
});

function tracerOver(inner: EffectTracer.Tracer, clock: Clock): Tracer {
  const startMs = clock.now() - clock.mono();
  // The wall clock's beginning, and from there on time that does not jump.
  const nowNs = (): bigint => BigInt(Math.round((startMs + clock.mono()) * nsPerMs));
  return {
    startSpan: (name, { kind = 0, attributes = {}, links = [] } = {}, context) => {
      const parent = parentOf(context);
      const span = inner.span({
        name,
        parent: parent === undefined ? Option.none() : Option.some(foreignSpan(parent)),
        annotations: Context.empty(),
        links: links.map(linkOf),
        startTime: nowNs(),
        kind: kinds[kind],
        root: parent === undefined,
        sampled: parent === undefined || isSampled(parent),
      });
      for (const [key, value] of Object.entries(attributes)) span.attribute(key, value);
      let failure: string | undefined;
      return {
        setAttribute: (key, value) => {
          if (key === "error.type") failure = String(value);
          span.attribute(key, value);
        },
        setStatus: () => {
          failure ??= "failed";
        },
        addLinks: (more) => span.addLinks(more.map(linkOf)),
        end: () => span.end(nowNs(), failure === undefined ? Exit.void : Exit.fail(failure)),
      };
    },
  };
}
