/** Logs of runs as they could stand in a store: random events, of which the run machine took those that it takes. */
import * as fc from "fast-check";
import { createActor } from "xstate";
import { isLiving, isRunFact } from "../../machines/legality.ts";
import { closingEvents } from "../../machines/repair.ts";
import { type RunProfile, runMachine, type RunSnapshot } from "../../machines/run.ts";
import { type EventInput, isTerminalType, type RunEvent } from "../../protocol/event.ts";
import { asRunId } from "../../protocol/ids.ts";

const callId = fc.constantFrom("one", "two", "constructor", "__proto__");
const approvalId = fc.constantFrom("p", "q", "__proto__");
const messageId = fc.constantFrom("m1", "m2");
const channel = fc.constantFrom("text", "reasoning", "tool_args");
const json = fc.jsonValue({ maxDepth: 1 });
const text = fc.string({ maxLength: 5 });
const optional = <Value>(value: fc.Arbitrary<Value>) => fc.option(value, { nil: undefined });

const of = (type: EventInput["type"], data: object): fc.Arbitrary<EventInput> =>
  fc.record({ type: fc.constant(type), data: fc.record(data as Record<string, fc.Arbitrary<unknown>>) }).map(
    // As in a log: what is absent is absent, and not undefined.
    (event) => JSON.parse(JSON.stringify(event)) as EventInput,
  );

const status = fc.constantFrom("ok", "error", "denied", "cancelled");
/** What moves a run comes more often: most of it is refused. */
const goOn = fc.oneof(
  { weight: 3, arbitrary: of("agent_thinking", { thought: optional(text), step: optional(fc.nat()) }) },
  of("tool_proposed", { toolCallId: callId, toolName: text, args: optional(json) }),
  {
    weight: 6,
    arbitrary: of("tool_executing", {
      toolCallId: callId,
      toolName: text,
      args: optional(json),
      attempt: fc.constantFrom(1, 2, 3),
    }),
  },
  {
    weight: 8,
    arbitrary: of("tool_completed", { toolCallId: callId, status, result: optional(json), error: optional(json) }),
  },
  of("tool_progress", { toolCallId: callId, percent: fc.nat() }),
  of("agent_delta", { messageId, channel, text }),
  of("agent_message", { messageId, channel: optional(channel), text: optional(text) }),
  of("agent_suspended", {
    reason: text,
    approvals: optional(fc.array(fc.record({ approvalId, prompt: text }), { maxLength: 2 })),
  }),
  { weight: 6, arbitrary: of("agent_resumed", {}) },
  {
    weight: 4,
    arbitrary: of("approval_resolved", {
      approvalId,
      decision: fc.constantFrom("approve", "deny"),
      by: optional(text),
    }),
  },
  of("cancel_requested", { by: text }),
  of("cancel_refused", { reason: text }),
  of("agent_handoff", { from: text, to: text }),
  of("agent_progress", { message: text }),
  of("x.own", { anything: json }),
);
const end = fc.oneof(
  of("agent_completed", { output: optional(json), usage: optional(json) }),
  of("agent_failed", { error: fc.record({ code: text, message: text }) }),
  of("agent_cancelled", { reason: optional(text) }),
  of("agent_interrupted", { reason: fc.constantFrom("lease_expired", "deadline", "shutdown") }),
);

export interface LegalLog {
  readonly events: readonly RunEvent[];
  readonly end: RunSnapshot;
}

/** Writes what the machine takes, as the runtime does: asked first, open calls closed before a terminal. */
function written(profile: RunProfile, inputs: readonly EventInput[]): LegalLog {
  const run = createActor(runMachine, { input: { profile } }).start();
  const events: RunEvent[] = [];
  const write = (input: Pick<EventInput, "type" | "data">): void => {
    const before = run.getSnapshot();
    if (isRunFact(input)) run.send(input);
    const isLegal = isRunFact(input) ? run.getSnapshot() !== before : isLiving(before);
    if (!isLegal) return;
    const seq = events.length + 1;
    const place = { id: `e${seq}`, runId: asRunId("r"), seq, offset: 2 * seq, time: "2026-01-01T00:00:00.000Z" };
    events.push({ ...input, ...place } as RunEvent);
  };
  for (const input of inputs) {
    if (isTerminalType(input.type) && isRunFact(input) && run.getSnapshot().can(input))
      for (const closing of closingEvents(run.getSnapshot())) write(closing);
    write(input);
  }
  return { events, end: run.getSnapshot() };
}

const maxInputs = 40;

/** A legal log from its `agent_started` on; half of them reach a terminal. */
export const legalLog: fc.Arbitrary<LegalLog> = fc
  .record({
    profile: fc.constantFrom<RunProfile>("standard", "strict"),
    first: of("agent_started", {
      agent: text,
      input: optional(json),
      parentRunId: fc.constantFrom("parent", undefined),
    }),
    middle: fc.array(goOn, { maxLength: maxInputs, size: "max" }),
    last: fc.array(end, { maxLength: 1 }),
  })
  .map(({ profile, first, middle, last }) => written(profile, [first, ...middle, ...last]));

/** Any event, whether or not a run would take it. */
export const anyEvent: fc.Arbitrary<EventInput> = fc.oneof({ weight: 3, arbitrary: goOn }, end);
