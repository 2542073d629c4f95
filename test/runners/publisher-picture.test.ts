import fc from "fast-check";
import { createActor } from "xstate";
import { describe, expect, it } from "vitest";
import { openCalls, runStateOf } from "../../machines/legality.ts";
import { runMachine } from "../../machines/run.ts";
import { foldRunView } from "../../machines/run-view.ts";
import type { EventInput, RunEvent } from "../../protocol/event.ts";
import { asRunId } from "../../protocol/ids.ts";
import type { RunView } from "../../protocol/run-view.ts";
import { payloadTypes, terminalTypes } from "../../protocol/event.ts";
import { isPayload, isTerminal, RunPicture } from "../../src/publisher/run-picture.ts";
import { IllegalTransition } from "../../src/errors.ts";
import { judge } from "../../src/runtime/judge.ts";

const toolCallId = fc.constantFrom("a", "b", "constructor");
const event: fc.Arbitrary<EventInput> = fc.oneof(
  fc.constant<EventInput>({ type: "agent_thinking", data: {} }),
  fc.record({ toolCallId, toolName: fc.constant("t") }).map((data): EventInput => ({ type: "tool_proposed", data })),
  fc
    .record({ toolCallId, toolName: fc.constant("t"), attempt: fc.constantFrom(1, 2, 3) })
    .map((data): EventInput => ({ type: "tool_executing", data })),
  fc
    .record({ toolCallId, status: fc.constantFrom("ok" as const, "error" as const, "denied" as const) })
    .map((data): EventInput => ({ type: "tool_completed", data })),
  fc.constant<EventInput>({ type: "agent_suspended", data: { reason: "r", approvals: [{ approvalId: "p" }] } }),
  fc.constant<EventInput>({ type: "agent_resumed", data: {} }),
  fc.constant<EventInput>({ type: "approval_resolved", data: { approvalId: "p", decision: "approve" } }),
  fc.constant<EventInput>({ type: "agent_delta", data: { messageId: "m", channel: "text", text: "x" } }),
  fc.constant<EventInput>({ type: "x.note", data: { toolCallId: "a" } }),
);
const ending = fc.constantFrom<EventInput>(
  { type: "agent_completed", data: {} },
  { type: "agent_failed", data: { error: { code: "c", message: "m" } } },
  { type: "agent_cancelled", data: {} },
);

const started: EventInput = { type: "agent_started", data: { agent: "a" } };

/** As it stands in the log after what is folded already. */
function inLog({ type, data }: EventInput, view: RunView | undefined): RunEvent {
  const seq = (view?.seq ?? 0) + 1;
  const time = "2026-11-25T00:00:00.000Z";
  return { id: String(seq), type, runId: asRunId("r"), seq, offset: seq, time, data } as RunEvent;
}

describe("the publisher's picture of a run", () => {
  it("is the run machine's after every accepted event, and the same when the run is claimed there", () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 40 }), ending, (events, last) => {
        const actor = createActor(runMachine, { input: {} }).start();
        judge(actor, [started], "reject");
        let view = foldRunView(undefined, inLog(started, undefined));
        const picture = new RunPicture();
        for (const said of [...events, last]) {
          const verdict = judge(actor, [said], "reject");
          if (verdict instanceof IllegalTransition) continue;
          picture.fold(said);
          for (const written of verdict.legal) view = foldRunView(view, inLog(written.event, view));
          const snapshot = actor.getSnapshot();
          const truth = [runStateOf(snapshot), openCalls(snapshot).length > 0];
          expect([picture.state, picture.hasOpenCalls]).toEqual(truth);
          const claimed = RunPicture.of(view);
          expect([claimed.state, claimed.hasOpenCalls]).toEqual(truth);
          claimed.fold({ type: "agent_resumed", data: {} });
          const copy = picture.copy();
          copy.fold({ type: "agent_resumed", data: {} });
          if (picture.state === "suspended") expect(claimed.state).toBe(copy.state);
        }
      }),
      { numRuns: 500 },
    );
  });

  it("knows the types as the protocol does", () => {
    expect(payloadTypes.filter((type) => !isPayload(type))).toEqual(["tool_proposed"]);
    expect(terminalTypes.filter((type) => !isTerminal(type))).toEqual([]);
  });
});
