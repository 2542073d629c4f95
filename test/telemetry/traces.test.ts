import type { Tracer as OtelTracer } from "@opentelemetry/api";
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base";
import { describe, expect, it } from "vitest";
import { decodePublish } from "../../protocol/codec.ts";
import { asRunId } from "../../protocol/ids.ts";
import { memoryLog } from "../../src/log/memory.ts";
import type { RuntimeOptions } from "../../src/runtime/options.ts";
import type { Tracer } from "../../src/telemetry/tracer.ts";
import { spanContextOf } from "../../src/telemetry/tracer.ts";
import { note } from "../support/events.ts";
import { faultyLog } from "../support/faulty-log.ts";
import type { RuntimeUnderTest } from "../support/runtime-under-test.ts";
import { publisher, runtimeUnderTest } from "../support/runtime-under-test.ts";

const traceIds = ["1".repeat(32), "2".repeat(32)] as const;
const spanIds = ["a".repeat(16), "b".repeat(16)] as const;
const traceparent = (which: 0 | 1, flags = "01"): string => `00-${traceIds[which]}-${spanIds[which]}-${flags}`;

async function traced(options: Partial<RuntimeOptions> = {}) {
  const exporter = new InMemorySpanExporter();
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
  // As an application hands it in: by its own type.
  const tracer: OtelTracer = provider.getTracer("runcast");
  const world = await runtimeUnderTest({ ...options, tracer });
  const spans = (name: string) => exporter.getFinishedSpans().filter((span) => span.name === name);
  return { ...world, spans, reset: () => exporter.reset() };
}

function say({ call, parts }: RuntimeUnderTest, runId: string, types: readonly string[], parent?: string) {
  const events = types.map((type) => ({ type, data: {} }));
  const body = decodePublish(JSON.stringify({ fence: 1, events }));
  if (!body.ok) throw new Error(body.issue.message);
  return call(parts.service.publish(publisher, undefined, asRunId(runId), body.value, parent));
}

describe("the spans of an event", () => {
  it("hang under the span that its runner named, from the append to the hand-over", async () => {
    const world = await traced();
    await world.connect("alice");
    await world.connect("alice");
    const { runId } = await world.start();
    world.reset();
    const { offset, seq } = await say(world, runId, ["agent_thinking", "agent_progress"], traceparent(0));
    const [append] = world.spans("runcast.append");
    const [deliver] = world.spans("runcast.deliver");
    for (const span of [append, deliver]) {
      expect(span?.spanContext().traceId).toBe(traceIds[0]);
      expect(span?.parentSpanContext).toMatchObject({ spanId: spanIds[0], isRemote: true });
      expect(span?.links).toEqual([]);
    }
    expect(append?.attributes).toEqual({
      ...{ "runcast.run_id": runId, "runcast.events": 2, "runcast.offset": offset, "runcast.seq": seq },
    });
    expect(deliver?.attributes).toEqual({
      ...{ "runcast.events": 2, "runcast.offset": offset, "runcast.connections": 2, "runcast.deliveries": 4 },
    });
  });

  it("begin with the run's own beginning", async () => {
    const world = await traced();
    await world.call(world.parts.service.startRun(publisher, { userId: "alice", agent: "a" }, traceparent(1)));
    expect(world.spans("runcast.append")[0]?.spanContext().traceId).toBe(traceIds[1]);
  });

  it("are linked with every trace that one append joins", async () => {
    const world = await traced();
    await world.connect("alice");
    const { runId } = await world.start();
    world.reset();
    await Promise.all([
      say(world, runId, ["agent_thinking"], traceparent(0)),
      say(world, runId, ["agent_thinking"], traceparent(1)),
      say(world, runId, ["agent_thinking"], traceparent(0)),
    ]);
    const spans = [...world.spans("runcast.append"), ...world.spans("runcast.deliver")];
    expect(spans.length).toBe(2);
    for (const span of spans) {
      expect(span.spanContext().traceId).toBe(traceIds[0]);
      expect(span.links.map(({ context }) => context.traceId)).toEqual([traceIds[1]]);
    }
  });

  it("hold no name of a user or a tenant, and nothing of what was said", async () => {
    const world = await traced();
    await world.connect("canary-user@canary-tenant");
    const { runId } = await world.start({ userId: "canary-user", tenantId: "canary-tenant", input: "canary-input" });
    const exported = JSON.stringify(
      ["runcast.append", "runcast.deliver", "runcast.replay"]
        .flatMap((name) => world.spans(name))
        .map(({ name, attributes, status, events }) => ({ name, attributes, status, events })),
    );
    expect(exported).toContain(runId);
    expect(exported).not.toContain("canary");
  });

  it("are roots of their own where nobody named a trace, or named none", async () => {
    const world = await traced();
    const { runId } = await world.start();
    world.reset();
    await say(world, runId, ["agent_thinking"]);
    await say(world, runId, ["agent_thinking"], `00-${"0".repeat(32)}-${spanIds[0]}-01`);
    for (const span of world.spans("runcast.append")) expect(span.parentSpanContext).toBeUndefined();
    expect(world.spans("runcast.append").length).toBe(2);
  });

  it("say that they failed, and why by name alone", async () => {
    const log = faultyLog(memoryLog());
    const world = await traced({ log });
    const { runId } = await world.start();
    world.reset();
    log.failAppend("before");
    await say(world, runId, ["agent_thinking"], traceparent(0)).catch(() => {});
    const [append] = world.spans("runcast.append");
    expect(append?.status).toEqual({ code: 2 });
    expect(append?.attributes["error.type"]).toBe("LogUnavailable");
  });
});

describe("the span of a replay", () => {
  it("is linked with the traces of what was read", async () => {
    const world = await traced();
    const { runId } = await world.start();
    await say(world, runId, ["agent_thinking"], traceparent(0));
    await say(world, runId, ["agent_thinking"], traceparent(1));
    const tab = await world.connect("alice", { from: "start" });
    expect(tab.events().length).toBe(3);
    const [replay] = world.spans("runcast.replay");
    expect(replay?.attributes).toEqual({ "runcast.after": 0, "runcast.upto": 3, "runcast.events": 3 });
    expect(replay?.parentSpanContext).toBeUndefined();
    expect(replay?.links.map(({ context }) => context.traceId)).toEqual([...traceIds]);
  });
});

describe("a tracer that throws", () => {
  it.each(["startSpan", "setAttribute", "end"] as const)(
    "in %s costs its spans and one line of the journal",
    async (where) => {
      const lines: string[] = [];
      const fail = (here: string) => () => {
        if (here === where) throw new Error("broken tracer");
      };
      const tracer: Tracer = {
        startSpan: () => {
          fail("startSpan")();
          return { setAttribute: fail("setAttribute"), setStatus: () => {}, end: fail("end") };
        },
      };
      const journal = { write: (_: string, what: string) => void lines.push(what) };
      const world = await runtimeUnderTest({ tracer, journal });
      const tab = await world.connect("alice");
      const { runId, fence } = await world.start();
      await world.publish(runId, fence, [note(), note()]);
      expect(tab.events().length).toBe(3);
      expect(lines.filter((what) => what === "tracer.failed").length).toBe(1);
    },
  );
});

describe("a traceparent", () => {
  it.each([
    [traceparent(0), { traceId: traceIds[0], spanId: spanIds[0], traceFlags: 1, isRemote: true }],
    [traceparent(0, "00"), { traceId: traceIds[0], spanId: spanIds[0], traceFlags: 0, isRemote: true }],
    [`00-${"0".repeat(32)}-${spanIds[0]}-01`, undefined],
    [`00-${traceIds[0]}-${"0".repeat(16)}-01`, undefined],
    ["00-short", undefined],
    [undefined, undefined],
  ])("%s names %j", (text, context) => {
    expect(spanContextOf(text)).toEqual(context);
  });
});
