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
  /** Calls that are not closed; true: it executes. */
  private readonly calls = new Map<string, boolean>();

  static of(view: RunView): RunPicture {
    const picture = new RunPicture();
    if (view.state !== "idle") picture.state = view.state;
    picture.before = view.before ?? "started";
    for (const { toolCallId, status } of view.tools)
      if (status === "executing" || status === "proposed") picture.calls.set(toolCallId, status === "executing");
    return picture;
  }

  copy(): RunPicture {
    const copy = new RunPicture();
    copy.state = this.state;
    copy.before = this.before;
    for (const [id, executes] of this.calls) copy.calls.set(id, executes);
    return copy;
  }

  get isOver(): boolean {
    return this.state in terminalStates;
  }

  /** The server would close these first, with events of its own, if the run ended now. */
  get hasOpenCalls(): boolean {
    return this.calls.size > 0;
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
        if (!this.calls.has(id)) this.calls.set(id, false);
        return;
      case "tool_executing":
        this.calls.set(id, true);
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

  private close(id: string): void {
    this.calls.delete(id);
    const after = [...this.calls.values()].includes(true) ? "toolExecuting" : "toolCompleted";
    if (this.state === "suspended") this.before = after;
    else this.state = after;
  }
}
