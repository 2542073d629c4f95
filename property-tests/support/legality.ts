/**
 * The table of PRODUCT.md §1 once more, for L1 and L2: a run's memory and what one event makes of it. It shares no line
 * with the machine.
 */
export interface RunMemory {
  readonly strict: boolean;
  /** idle, started, thinking, acting (a tool executes), acted, suspended, over */
  readonly at: "idle" | "started" | "thinking" | "acting" | "acted" | "suspended" | "over";
  readonly back: "started" | "thinking" | "acting" | "acted";
  /** call id → attempt, while it executes · was only proposed · is closed */
  readonly executing: Readonly<Record<string, number>>;
  readonly proposed: Readonly<Record<string, number>>;
  readonly closed: Readonly<Record<string, number>>;
  /** approval id → whether it waits for its answer */
  readonly asked: Readonly<Record<string, boolean>>;
  readonly cancelling: boolean;
}

export interface Said {
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly repaired?: boolean;
}

export const unborn = (strict: boolean): RunMemory => ({
  strict,
  at: "idle",
  back: "started",
  executing: {},
  proposed: {},
  closed: {},
  asked: {},
  cancelling: false,
});

const without = <Value>(record: Readonly<Record<string, Value>>, key: string): Record<string, Value> =>
  Object.fromEntries(Object.entries(record).filter(([each]) => each !== key));
const terminals: ReadonlySet<string> = new Set(["agent_failed", "agent_cancelled", "agent_interrupted"]);

/** The run after `said`; undefined: it may not be said now. */
export function afterSaid(run: RunMemory, { type, data, repaired }: Said): RunMemory | undefined {
  const { at, executing, proposed, closed, asked } = run;
  const call = String(data["toolCallId"]);
  const isSuspended = at === "suspended";
  const mayAct = !isSuspended && !(run.strict && at === "started");
  const to = (next: RunMemory["at"]): RunMemory => ({ ...run, at: next });
  if (at === "idle") return type === "agent_started" ? to("started") : undefined;
  if (at === "over") return undefined;
  if (terminals.has(type)) return { ...to("over"), executing: {}, proposed: {} };
  switch (type) {
    case "agent_started":
      return undefined;
    case "agent_thinking":
      return isSuspended ? undefined : to(at === "acting" ? "acting" : "thinking");
    case "agent_completed":
      return mayAct && Object.keys(executing).length === 0 ? { ...to("over"), proposed: {} } : undefined;
    case "tool_executing": {
      const attempt = Number(data["attempt"] ?? 1);
      if (!mayAct || executing[call] !== undefined || attempt <= (closed[call] ?? 0)) return undefined;
      const opened = { executing: { ...executing, [call]: attempt }, proposed: without(proposed, call) };
      return { ...to("acting"), ...opened, closed: without(closed, call) };
    }
    case "tool_completed": {
      const serverClosed = repaired === true && data["status"] === "cancelled";
      if (executing[call] === undefined && (proposed[call] === undefined || (run.strict && !serverClosed)))
        return undefined;
      const left = without(executing, call);
      const next = Object.keys(left).length > 0 ? "acting" : "acted";
      const attempt = executing[call] ?? proposed[call] ?? 1;
      const rest = { executing: left, proposed: without(proposed, call), closed: { ...closed, [call]: attempt } };
      return isSuspended ? { ...run, ...rest, back: next } : { ...to(next), ...rest };
    }
    case "tool_proposed": {
      const isKnown = executing[call] !== undefined || closed[call] !== undefined || proposed[call] !== undefined;
      return isKnown ? run : { ...run, proposed: { ...proposed, [call]: 1 } };
    }
    case "agent_suspended": {
      if (isSuspended) return undefined;
      const ids = ((data["approvals"] ?? []) as readonly { approvalId: string }[]).map(({ approvalId }) => approvalId);
      return { ...to("suspended"), back: at, asked: { ...Object.fromEntries(ids.map((id) => [id, true])), ...asked } };
    }
    case "agent_resumed":
      return isSuspended ? to(run.back) : undefined;
    case "approval_resolved": {
      const id = String(data["approvalId"]);
      return isSuspended && asked[id] === true ? { ...run, asked: { ...asked, [id]: false } } : undefined;
    }
    case "cancel_requested":
      return run.cancelling ? undefined : { ...run, cancelling: true };
    case "cancel_refused":
      return run.cancelling ? { ...run, cancelling: false } : undefined;
    default:
      // Payload: legal while the run lives.
      return run;
  }
}
