/** Streams of legal runs to feed a client with, made from a few numbers. */
import type { EventInput, RunEvent } from "../../protocol/event.ts";
import { asRunId } from "../../protocol/ids.ts";

/** A run with a tool call and an answer in `deltaCount` pieces. */
export function sampleRun(deltaCount: number): readonly EventInput[] {
  const call = { toolCallId: "call-1", toolName: "clock" };
  return [
    { type: "agent_started", data: { agent: "demo", input: "what time is it?" } },
    { type: "agent_thinking", data: { thought: "I should look" } },
    { type: "tool_executing", data: { ...call, args: { zone: "UTC" } } },
    { type: "tool_completed", data: { toolCallId: call.toolCallId, status: "ok", result: "12:00" } },
    ...Array.from(
      { length: deltaCount },
      (_, at): EventInput => ({
        type: "agent_delta",
        data: { messageId: "m-1", channel: "text", text: `${at} ` },
      }),
    ),
    { type: "agent_completed", data: { output: "noon" } },
  ];
}

export interface StreamStep {
  readonly runId: string;
  readonly input: EventInput;
}

/** Gives each step its place in the stream and in its run. */
export function streamOf(steps: readonly StreamStep[], firstOffset = 1): readonly RunEvent[] {
  const seqs = new Map<string, number>();
  return steps.map(({ runId, input }, at) => {
    const seq = (seqs.get(runId) ?? 0) + 1;
    seqs.set(runId, seq);
    const offset = firstOffset + at;
    const time = new Date(Date.UTC(2026, 10, 21) + offset).toISOString();
    return { id: `e-${offset}`, runId: asRunId(runId), seq, offset, time, ...input };
  });
}

/** One run, whole. */
export function oneRun(runId: string, deltaCount = 2, firstOffset = 1): readonly RunEvent[] {
  return streamOf(
    sampleRun(deltaCount).map((input) => ({ runId, input })),
    firstOffset,
  );
}
