/** What a runner may say next: concrete events, drawn from the run machine itself, so that a walk along them is legal. */
import { type Actor, createActor } from "xstate";
import { isLiving, isRunFact, openCalls } from "../../../machines/legality.ts";
import { runMachine, type RunProfile, type RunSnapshot } from "../../../machines/run.ts";
import type { EventInput } from "../../../protocol/event.ts";

export type WordActor = Actor<typeof runMachine>;

export function wordActor(profile: RunProfile | undefined): WordActor {
  return createActor(runMachine, { input: { profile } }).start();
}

/** Tells the machine. False: it is illegal now, and nothing has changed. */
export function takes(actor: WordActor, event: EventInput): boolean {
  const before = actor.getSnapshot();
  if (!isRunFact(event)) return isLiving(before);
  actor.send(event);
  return actor.getSnapshot() !== before;
}

const isLegal = (snapshot: RunSnapshot, event: EventInput): boolean =>
  isRunFact(event) ? snapshot.can(event) : isLiving(snapshot);

/** The plainest first, so that a word shrinks towards one that thinks and ends. */
export function nextEvents(snapshot: RunSnapshot, maxCalls: number): readonly EventInput[] {
  const { calls } = snapshot.context;
  const known = Object.keys(calls);
  const fresh = known.length < maxCalls ? [`call-${known.length + 1}`] : [];
  const approvalId = `approval-${Object.keys(snapshot.context.approvals).length + 1}`;
  const open = openCalls(snapshot);
  const executing = open.filter(({ status }) => status === "executing");
  const all: readonly EventInput[] = [
    { type: "agent_thinking", data: {} },
    ...open.flatMap(({ toolCallId }): EventInput[] => [
      { type: "tool_completed", data: { toolCallId, status: "ok" } },
      { type: "tool_completed", data: { toolCallId, status: "error", error: { message: "failed" } } },
    ]),
    ...[...fresh, ...known].map((toolCallId): EventInput => {
      const attempt = (calls[toolCallId]?.attempt ?? 0) + (calls[toolCallId]?.status === "proposed" ? 0 : 1);
      return { type: "tool_executing", data: { toolCallId, toolName: "tool", ...(attempt > 1 && { attempt }) } };
    }),
    { type: "agent_resumed", data: {} },
    { type: "agent_delta", data: { messageId: "message-1", channel: "text", text: "word " } },
    { type: "agent_message", data: { messageId: "message-1", role: "assistant", text: "word" } },
    { type: "agent_progress", data: { message: "going on" } },
    ...executing.map(
      ({ toolCallId }): EventInput => ({ type: "tool_progress", data: { toolCallId, message: "half" } }),
    ),
    ...fresh.map((toolCallId): EventInput => ({ type: "tool_proposed", data: { toolCallId, toolName: "tool" } })),
    { type: "agent_suspended", data: { reason: "approval", approvals: [{ approvalId, prompt: "May I?" }] } },
  ];
  return all.filter((event) => isLegal(snapshot, event));
}

/** The ends that are legal now. */
export function nextEnds(snapshot: RunSnapshot): readonly EventInput[] {
  const all: readonly EventInput[] = [
    { type: "agent_completed", data: { output: "done" } },
    { type: "agent_failed", data: { error: { code: "failed", message: "failed" } } },
    { type: "agent_cancelled", data: {} },
  ];
  return all.filter((event) => isLegal(snapshot, event));
}
