/**
 * Where a run stands, folded from what the server has accepted: the few facts that a runner asks for, without the
 * machine. The server judges; nothing is refused here, and a property test holds the fold equal to the machine.
 */
import type { EventInput, PayloadType, TerminalType } from "../../protocol/event.ts";
import type { LivingState, RunState, RunView, TerminalState } from "../../protocol/run-view.ts";

const terminals: Readonly<Record<TerminalType, TerminalState>> = {
  agent_completed: "completed",
  agent_failed: "failed",
  agent_cancelled: "cancelled",
  agent_interrupted: "interrupted",
};

const terminalStates: Readonly<Record<TerminalState, true>> = {
  completed: true,
  failed: true,
  cancelled: true,
  interrupted: true,
};

/** Types that change nothing. A record, so that the compiler asks for a new one. */
const payload: Readonly<Record<Exclude<PayloadType, "tool_proposed">, true>> = {
  agent_delta: true,
  agent_message: true,
  tool_progress: true,
  agent_handoff: true,
  agent_progress: true,
};

export const isPayload = (type: string): boolean => Object.hasOwn(payload, type) || type.startsWith("x.");
export const isTerminal = (type: string): type is TerminalType => Object.hasOwn(terminals, type);

export class RunPicture {
  state: LivingState | TerminalState = "started";
  private before: LivingState = "started";
  /** Every call that was announced. */
  private readonly calls = new Map<string, "proposed" | "executing" | "closed">();

  static of(view: RunView): RunPicture {
    const picture = new RunPicture();
    if (view.state !== "idle") picture.state = view.state;
    picture.before = view.before ?? "started";
    for (const { toolCallId, status } of view.tools)
      picture.calls.set(toolCallId, status === "executing" || status === "proposed" ? status : "closed");
    return picture;
  }

  copy(): RunPicture {
    const copy = new RunPicture();
    copy.state = this.state;
    copy.before = this.before;
    for (const [id, status] of this.calls) copy.calls.set(id, status);
    return copy;
  }

  get isOver(): boolean {
    return this.state in terminalStates;
  }

  /** The server would close these first, with events of its own, if the run ended now. */
  get hasOpenCalls(): boolean {
    return this.has("proposed") || this.has("executing");
  }

  /** Somebody else has ended it. */
  ended(state: RunState): void {
    if (state in terminalStates) this.state = state as TerminalState;
    this.calls.clear();
  }

  /** An event that was accepted. */
  fold({ type, data }: EventInput): void {
    if (this.isOver) return;
    if (isTerminal(type)) {
      this.state = terminals[type];
      this.calls.clear();
      return;
    }
    const toolCallId: unknown = Reflect.get(data ?? {}, "toolCallId");
    const id = typeof toolCallId === "string" ? toolCallId : "";
    switch (type) {
      case "agent_thinking":
        if (this.state !== "toolExecuting") this.state = "thinking";
        return;
      case "tool_proposed":
        if (!this.calls.has(id)) this.calls.set(id, "proposed");
        return;
      case "tool_executing":
        this.calls.set(id, "executing");
        this.state = "toolExecuting";
        return;
      case "tool_completed":
        this.close(id);
        return;
      case "agent_suspended":
        this.before = this.state === "suspended" ? this.before : (this.state as LivingState);
        this.state = "suspended";
        return;
      case "agent_resumed":
        this.state = this.before;
        return;
      default:
    }
  }

  private has(status: "proposed" | "executing"): boolean {
    for (const each of this.calls.values()) if (each === status) return true;
    return false;
  }

  private close(id: string): void {
    this.calls.set(id, "closed");
    const after = this.has("executing") ? "toolExecuting" : "toolCompleted";
    if (this.state === "suspended") this.before = after;
    else this.state = after;
  }
}
