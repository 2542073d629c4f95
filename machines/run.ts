/**
 * A run: which event is legal when (L1), and that nothing is legal after its one terminal (L2). The runtime asks it
 * before every write; the view folds with it after every read. Deltas and the other payload go past it.
 *
 * An illegal event leaves the snapshot the same object, a legal one never does: every legal transition assigns.
 */
import { assign, type SnapshotFrom, setup } from "xstate";
import type { EventDataOf, LifecycleType } from "../protocol/event.ts";
import type { CallStatus, LivingState } from "../protocol/run-view.ts";

/** `standard` takes what real agents do; `strict` is the bare chain of the five core events. */
export type RunProfile = "standard" | "strict";

export interface CallRecord {
  readonly toolName: string;
  readonly status: CallStatus;
  readonly attempt: number;
}

export interface RunContext {
  readonly profile: RunProfile;
  /** Every call that was ever announced, by its id. */
  readonly calls: Readonly<Record<string, CallRecord>>;
  /** How many calls execute. */
  readonly open: number;
  readonly approvals: Readonly<Record<string, "open" | "approve" | "deny">>;
  /** Somebody asked it to stop, and it has not answered: shown as "cancelling". */
  readonly cancel: boolean;
  /** The humans that its suspension waits for have answered: the next word is the runner's. */
  readonly answered: boolean;
  /** Where a suspended run goes back to. */
  readonly before: Exclude<LivingState, "suspended"> | null;
  /** Child runs that live. */
  readonly children: number;
}

/** The event types that the machine hears; all others are payload. */
export type RunFactType = LifecycleType | "tool_proposed";
type FactOf<Type extends RunFactType> = Type extends RunFactType
  ? { readonly type: Type; readonly data: EventDataOf<Type>; readonly repaired?: true | undefined }
  : never;
/** One of our events, as it stands in the log, or word of a child run. */
export type RunFact = FactOf<RunFactType> | { readonly type: "child.started" } | { readonly type: "child.ended" };

type Completion = EventDataOf<"tool_completed">;

/** The call of that id. Ids are free text, so `constructor` must not find the prototype's. */
export function callOf(context: RunContext, toolCallId: string): CallRecord | undefined {
  return Object.hasOwn(context.calls, toolCallId) ? context.calls[toolCallId] : undefined;
}

const withCall = (context: RunContext, toolCallId: string, call: CallRecord): RunContext["calls"] => ({
  ...context.calls,
  [toolCallId]: call,
});

function mayExecute(context: RunContext, data: EventDataOf<"tool_executing">): boolean {
  const call = callOf(context, data.toolCallId);
  if (call === undefined || call.status === "proposed") return true;
  return call.status !== "executing" && (data.attempt ?? 1) > call.attempt;
}

function mayComplete(context: RunContext, data: Completion, repaired: boolean): boolean {
  const call = callOf(context, data.toolCallId);
  if (call?.status === "executing") return true;
  if (call?.status !== "proposed") return false;
  // In strict only the server closes a call that never ran, when the run ends.
  return context.profile === "standard" || (repaired && data.status === "cancelled");
}

/** How many calls execute once this one is closed. */
function openAfter(context: RunContext, toolCallId: string): number {
  return callOf(context, toolCallId)?.status === "executing" ? context.open - 1 : context.open;
}

function closeCall(context: RunContext, data: Completion): Partial<RunContext> {
  const call = callOf(context, data.toolCallId);
  if (call === undefined) return {};
  const open = openAfter(context, data.toolCallId);
  const calls = withCall(context, data.toolCallId, { ...call, status: data.status });
  if (context.before === null) return { calls, open };
  return { calls, open, before: open > 0 ? "toolExecuting" : "toolCompleted" };
}

function asked(
  context: RunContext,
  { approvals: wanted = [] }: EventDataOf<"agent_suspended">,
): Pick<RunContext, "approvals" | "answered"> {
  const open = wanted.map(({ approvalId }) => [approvalId, "open"] as const);
  // The first answer wins, also when the runner asks the same again.
  const approvals = { ...Object.fromEntries(open), ...context.approvals };
  // Who asks nothing but what was answered waits for nobody.
  return { approvals, answered: open.length > 0 && !Object.values(approvals).includes("open") };
}

const runSetup = setup({
  types: {
    context: {} as RunContext,
    events: {} as RunFact,
    input: {} as { readonly profile?: RunProfile | undefined } | undefined,
    tags: {} as "living" | "terminal",
  },
  guards: {
    isStandard: ({ context }) => context.profile === "standard",
    mayExecute: ({ context, event }) => event.type === "tool_executing" && mayExecute(context, event.data),
    mayExecuteAtOnce: ({ context, event }) =>
      event.type === "tool_executing" && context.profile === "standard" && mayExecute(context, event.data),
    mayComplete: ({ context, event }) =>
      event.type === "tool_completed" && mayComplete(context, event.data, event.repaired === true),
    mayCompleteLast: ({ context, event }) =>
      event.type === "tool_completed" &&
      mayComplete(context, event.data, event.repaired === true) &&
      openAfter(context, event.data.toolCallId) === 0,
    mayEnd: ({ context }) => context.open === 0 && context.children === 0,
    mayEndAtOnce: ({ context }) => context.profile === "standard" && context.open === 0 && context.children === 0,
    approvalIsOpen: ({ context, event }) =>
      event.type === "approval_resolved" &&
      Object.hasOwn(context.approvals, event.data.approvalId) &&
      context.approvals[event.data.approvalId] === "open",
    isCancelling: ({ context }) => context.cancel,
    isNotCancelling: ({ context }) => !context.cancel,
    hasChildren: ({ context }) => context.children > 0,
    wasIn: ({ context }, { state }: { readonly state: LivingState }) => context.before === state,
  },
  actions: {
    /** Changes nothing but the snapshot's identity: the event was legal. */
    note: assign({}),
    propose: assign(({ context, event }) => {
      if (event.type !== "tool_proposed") return {};
      const { toolCallId, toolName } = event.data;
      // Hooks overtake the stream: the call may run already, or be over.
      if (callOf(context, toolCallId) !== undefined) return {};
      return { calls: withCall(context, toolCallId, { toolName, status: "proposed", attempt: 1 }) };
    }),
    execute: assign(({ context, event }) => {
      if (event.type !== "tool_executing") return {};
      const { toolCallId, toolName, attempt = 1 } = event.data;
      return {
        calls: withCall(context, toolCallId, { toolName, status: "executing", attempt }),
        open: context.open + 1,
      };
    }),
    close: assign(({ context, event }) => (event.type === "tool_completed" ? closeCall(context, event.data) : {})),
    suspend: assign(({ context, event }, { from }: { readonly from: Exclude<LivingState, "suspended"> }) =>
      event.type === "agent_suspended" ? { before: from, ...asked(context, event.data) } : {},
    ),
    resume: assign({ before: null, answered: false }),
    resolve: assign(({ context, event }) => {
      if (event.type !== "approval_resolved") return {};
      const approvals = { ...context.approvals, [event.data.approvalId]: event.data.decision };
      return { approvals, answered: !Object.values(approvals).includes("open") };
    }),
    askToCancel: assign({ cancel: true }),
    /** The run goes on, or is over: nobody waits for it to stop any more. */
    forgetCancel: assign({ cancel: false }),
    addChild: assign({ children: ({ context }) => context.children + 1 }),
    removeChild: assign({ children: ({ context }) => context.children - 1 }),
  },
});

/** What is legal in every living state. */
const living = {
  tool_proposed: { actions: "propose" },
  agent_failed: { target: "failed", actions: "forgetCancel" },
  agent_cancelled: { target: "cancelled", actions: "forgetCancel" },
  agent_interrupted: { target: "interrupted", actions: "forgetCancel" },
  cancel_requested: { guard: "isNotCancelling", actions: "askToCancel" },
  cancel_refused: { guard: "isCancelling", actions: "forgetCancel" },
  "child.started": { actions: "addChild" },
  "child.ended": { guard: "hasChildren", actions: "removeChild" },
} as const;

const suspension = <From extends Exclude<LivingState, "suspended">>(from: From) =>
  ({ target: "suspended", actions: { type: "suspend", params: { from } } }) as const;

/** Where no call executes, only one that never ran can be closed. */
const closing = { guard: "mayComplete", target: "toolCompleted", actions: "close" } as const;
const execution = { guard: "mayExecute", target: "toolExecuting", actions: "execute" } as const;
const completion = { guard: "mayEnd", target: "completed", actions: "forgetCancel" } as const;

export const runMachine = runSetup.createMachine({
  id: "run",
  context: ({ input }) => ({
    profile: input?.profile ?? "standard",
    calls: {},
    open: 0,
    approvals: {},
    cancel: false,
    answered: false,
    before: null,
    children: 0,
  }),
  initial: "idle",
  states: {
    idle: { on: { agent_started: { target: "started", actions: "note" } } },
    started: {
      tags: "living",
      on: {
        ...living,
        agent_thinking: { target: "thinking", actions: "note" },
        tool_executing: { guard: "mayExecuteAtOnce", target: "toolExecuting", actions: "execute" },
        agent_completed: { guard: "mayEndAtOnce", target: "completed", actions: "forgetCancel" },
        tool_completed: closing,
        agent_suspended: suspension("started"),
      },
    },
    thinking: {
      tags: "living",
      on: {
        ...living,
        agent_thinking: { actions: "note" },
        tool_executing: execution,
        agent_completed: completion,
        tool_completed: closing,
        agent_suspended: suspension("thinking"),
      },
    },
    toolExecuting: {
      tags: "living",
      on: {
        ...living,
        agent_thinking: { actions: "note" },
        tool_executing: execution,
        tool_completed: [
          { guard: "mayCompleteLast", target: "toolCompleted", actions: "close" },
          { guard: "mayComplete", actions: "close" },
        ],
        agent_suspended: suspension("toolExecuting"),
      },
    },
    toolCompleted: {
      tags: "living",
      on: {
        ...living,
        agent_thinking: { target: "thinking", actions: "note" },
        tool_executing: execution,
        agent_completed: completion,
        tool_completed: closing,
        agent_suspended: suspension("toolCompleted"),
      },
    },
    suspended: {
      tags: "living",
      on: {
        ...living,
        tool_completed: { guard: "mayComplete", actions: "close" },
        approval_resolved: { guard: "approvalIsOpen", actions: "resolve" },
        agent_resumed: [
          { guard: { type: "wasIn", params: { state: "started" } }, target: "started", actions: "resume" },
          { guard: { type: "wasIn", params: { state: "thinking" } }, target: "thinking", actions: "resume" },
          { guard: { type: "wasIn", params: { state: "toolExecuting" } }, target: "toolExecuting", actions: "resume" },
          { target: "toolCompleted", actions: "resume" },
        ],
      },
    },
    completed: { tags: "terminal" },
    failed: { tags: "terminal" },
    cancelled: { tags: "terminal" },
    interrupted: { tags: "terminal" },
  },
});

export type RunSnapshot = SnapshotFrom<typeof runMachine>;
