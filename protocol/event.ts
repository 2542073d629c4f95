/**
 * The events of a run: one schema of `data` per event type, and the envelope that is the same object in the
 * log, on the socket, in SSE and in HTTP answers. `machines/run` says when each is legal (L1).
 *
 * `data` is open: what a runner adds is kept. What the product reads is checked.
 */
import * as z from "zod/mini";
import type { Offset, RunId, Seq } from "./ids.ts";
import { nameSchema, runIdSchema } from "./id-schemas.ts";

const text = z.string();
const count = z.int().check(z.minimum(0));
const json = z.unknown();
const isoTime = z.iso.datetime({ offset: true });

const approvalSchema = z.looseObject({
  approvalId: nameSchema,
  prompt: z.optional(text),
  toolCallId: z.optional(nameSchema),
  expiresAt: z.optional(isoTime),
});

const errorSchema = z.looseObject({
  code: text,
  message: text,
  retryable: z.optional(z.boolean()),
});

export const decisionSchema = z.enum(["approve", "deny"]);

/** Events that move the run machine. */
export const lifecycleData = {
  agent_started: z.looseObject({
    agent: nameSchema,
    input: z.optional(json),
    parentRunId: z.optional(runIdSchema),
    parentToolCallId: z.optional(nameSchema),
  }),
  agent_thinking: z.looseObject({ thought: z.optional(text), step: z.optional(count) }),
  tool_executing: z.looseObject({
    toolCallId: nameSchema,
    toolName: nameSchema,
    args: z.optional(json),
    attempt: z.optional(z.int().check(z.minimum(1))),
  }),
  tool_completed: z.looseObject({
    toolCallId: nameSchema,
    status: z.enum(["ok", "error", "denied", "cancelled"]),
    result: z.optional(json),
    error: z.optional(json),
    durationMs: z.optional(z.number().check(z.minimum(0))),
  }),
  agent_completed: z.looseObject({ output: z.optional(json), usage: z.optional(json) }),
  agent_failed: z.looseObject({ error: errorSchema }),
  agent_cancelled: z.looseObject({ by: z.optional(text), reason: z.optional(text) }),
  agent_interrupted: z.looseObject({ reason: z.enum(["lease_expired", "deadline", "shutdown"]) }),
  agent_suspended: z.looseObject({
    reason: text,
    approvals: z.optional(z.array(approvalSchema).check(z.maxLength(100))),
  }),
  agent_resumed: z.looseObject({ decisions: z.optional(json) }),
  approval_resolved: z.looseObject({ approvalId: nameSchema, decision: decisionSchema, by: z.optional(text) }),
  cancel_requested: z.looseObject({ by: z.optional(text), reason: z.optional(text), deadlineMs: z.optional(count) }),
  cancel_refused: z.looseObject({ reason: z.optional(text) }),
} as const;

/** Events that a living run carries and that change no state. */
export const payloadData = {
  agent_delta: z.looseObject({
    messageId: nameSchema,
    channel: z.enum(["text", "reasoning", "tool_args"]),
    text,
  }),
  /** A whole message, written when its deltas are over (or instead of them). */
  agent_message: z.looseObject({
    messageId: nameSchema,
    role: z.optional(z.enum(["user", "assistant", "system"])),
    channel: z.optional(z.enum(["text", "reasoning", "tool_args"])),
    text: z.optional(text),
  }),
  /** The model asked for a call that does not run yet: it may wait for approval, or prove invalid. */
  tool_proposed: z.looseObject({ toolCallId: nameSchema, toolName: nameSchema, args: z.optional(json) }),
  tool_progress: z.looseObject({ toolCallId: nameSchema }),
  agent_handoff: z.looseObject({ from: nameSchema, to: nameSchema }),
  agent_progress: z.looseObject({ message: z.optional(text), percent: z.optional(z.number()) }),
} as const;

export const eventData = { ...lifecycleData, ...payloadData } as const;

export type LifecycleType = keyof typeof lifecycleData;
export type PayloadType = keyof typeof payloadData;
/** The application's own events: `x.` and a name. */
export type ExtensionType = `x.${string}`;
export type EventType = LifecycleType | PayloadType | ExtensionType;

export type JsonObject = { readonly [key: string]: unknown };
export type EventDataOf<Type extends EventType> = Type extends keyof typeof eventData
  ? z.infer<(typeof eventData)[Type]>
  : JsonObject;

export const lifecycleTypes: readonly LifecycleType[] = Object.keys(lifecycleData) as LifecycleType[];
export const payloadTypes: readonly PayloadType[] = Object.keys(payloadData) as PayloadType[];
export const terminalTypes = ["agent_completed", "agent_failed", "agent_cancelled", "agent_interrupted"] as const;
export type TerminalType = (typeof terminalTypes)[number];

const lifecycleSet: ReadonlySet<string> = new Set(lifecycleTypes);
const terminalSet: ReadonlySet<string> = new Set(terminalTypes);
const extensionPattern = /^x\.[A-Za-z0-9_.:-]{1,120}$/;

export const isLifecycleType = (type: string): type is LifecycleType => lifecycleSet.has(type);
export const isTerminalType = (type: string): type is TerminalType => terminalSet.has(type);
export const isExtensionType = (type: string): type is ExtensionType => extensionPattern.test(type);
export const isEventType = (type: string): type is EventType => Object.hasOwn(eventData, type) || isExtensionType(type);

/** What a runner says: an event before it has a place in the log. */
export type EventInput<Type extends EventType = EventType> = Type extends EventType
  ? {
      readonly type: Type;
      readonly data: EventDataOf<Type>;
      /** Makes a retry safe: the same key with the same body is written once. */
      readonly key?: string | undefined;
    }
  : never;

interface EventFields<Type extends EventType> {
  /** Unique, and the same at every redelivery. */
  readonly id: string;
  readonly type: Type;
  readonly offset: Offset;
  readonly threadId?: string;
  /** ISO 8601 UTC: when the server accepted it. Nothing is ordered by it. */
  readonly time: string;
  readonly data: EventDataOf<Type>;
  /** The server wrote this step because the runner left it out. */
  readonly repaired?: true;
  /** It was delivered while no log could take it: it will not come again. */
  readonly durability?: "none";
  readonly traceparent?: string;
}

/** An event of a run, as everybody sees it. */
export type RunEvent<Type extends EventType = EventType> = Type extends EventType
  ? EventFields<Type> & { readonly runId: RunId; readonly seq: Seq }
  : never;

/** An event of the user, not of a run: no runId, no seq. */
export type NoticeEvent = EventFields<ExtensionType> & { readonly runId?: undefined; readonly seq?: undefined };

export type StreamEvent = RunEvent | NoticeEvent;
