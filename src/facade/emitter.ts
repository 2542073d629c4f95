/**
 * The emitter's five methods: a run of `Runcast.startRun` for each run id, and its events. The run machine judges them as
 * it does all others; each resolves to how many sockets were handed its event.
 */
import type { EventDataOf, EventInput } from "../../protocol/event.ts";
import type { Run } from "../index.ts";
import { noteOldName } from "./deprecation.ts";
import type { UserContext } from "./protocol.ts";

const firstSeq = 1;

/** @deprecated Use the run that `Runcast.startRun` gives. */
export class UnifiedWebSocketEmitter {
  private readonly context: UserContext;
  private readonly runs = new Map<string, Promise<Run>>();

  constructor(context: UserContext) {
    this.context = { ...context };
  }

  /** @deprecated Use `Runcast.startRun`. Fails: as that does. */
  async emitAgentStarted(runId: string, data: { readonly agent: string; readonly input?: unknown }): Promise<number> {
    const { runcast, userId, tenantId, threadId } = this.context;
    noteOldName(runcast, "UnifiedWebSocketEmitter.emitAgentStarted", "runcast.startRun({ userId, agent, … })");
    const made = runcast.startRun({
      ...{ userId, runId, agent: data.agent },
      ...(data.input !== undefined && { input: data.input }),
      ...(tenantId !== undefined && { tenantId }),
      ...(threadId !== undefined && { threadId }),
    });
    if (!this.runs.has(runId)) this.runs.set(runId, made);
    made.catch(() => this.forget(runId, made));
    await made;
    return this.sends(runId, firstSeq);
  }

  /** @deprecated Use `run.thinking`. Fails: as that does. */
  emitAgentThinking(runId: string, data: EventDataOf<"agent_thinking"> = {}): Promise<number> {
    return this.say("emitAgentThinking", "run.thinking(thought)", runId, { type: "agent_thinking", data });
  }

  /** @deprecated Use `run.tool`. Fails: as `run.emit` does. */
  emitToolExecuting(runId: string, data: EventDataOf<"tool_executing">): Promise<number> {
    return this.say("emitToolExecuting", "run.tool(call, execute)", runId, { type: "tool_executing", data });
  }

  /** @deprecated Use `run.tool`. Fails: as `run.emit` does. */
  emitToolCompleted(runId: string, data: EventDataOf<"tool_completed">): Promise<number> {
    return this.say("emitToolCompleted", "run.tool(call, execute)", runId, { type: "tool_completed", data });
  }

  /** @deprecated Use `run.completed`. Fails: as that does. */
  async emitAgentCompleted(runId: string, data: EventDataOf<"agent_completed"> = {}): Promise<number> {
    const run = this.runs.get(runId);
    const sends = await this.say("emitAgentCompleted", "run.completed(output)", runId, {
      type: "agent_completed",
      data,
    });
    this.forget(runId, run);
    return sends;
  }

  private async say(name: string, replacement: string, runId: string, event: EventInput): Promise<number> {
    noteOldName(this.context.runcast, `UnifiedWebSocketEmitter.${name}`, replacement);
    const run = await this.runs.get(runId);
    if (run === undefined) throw new Error(`the run ${runId} was not started here: emitAgentStarted comes first`);
    const { seq } = await run.emit(event);
    return this.sends(runId, seq);
  }

  private async sends(runId: string, seq: number): Promise<number> {
    const { runcast, tenantId } = this.context;
    const { successfulSends } = await runcast.delivered({ runId, tenantId, seq });
    return successfulSends;
  }

  private forget(runId: string, run: Promise<Run> | undefined): void {
    if (this.runs.get(runId) === run) this.runs.delete(runId);
  }
}
