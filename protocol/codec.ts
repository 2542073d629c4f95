/**
 * The one place where bytes of strangers become values. Limits first (`json`), then one schema; an answer about
 * bad input names the path, says what would be right, and stays under 2 KB whatever came in.
 */
import type * as z from "zod/mini";
import type { EventInput, EventType } from "./event.ts";
import { eventData, isExtensionType } from "./event.ts";
import type { ClientFrame } from "./frames.ts";
import { clientFrameSchema } from "./frames.ts";
import type { Fence } from "./ids.ts";
import { isName } from "./ids.ts";
import { publishSchema } from "./http.ts";
import type { Decoded } from "./json.ts";
import { bodyLimits, frameLimits, parseJson, refused } from "./json.ts";

const maxPathChars = 300;
const maxMessageChars = 1_000;

/** Names the first thing that is wrong in `value`. */
function firstIssue(error: z.core.$ZodError, value: unknown, prefix: string): ReturnType<typeof refused> {
  const issue = error.issues[0];
  if (issue === undefined) return refused(prefix, "is not valid");
  let path = prefix;
  let there = value;
  for (const step of issue.path) {
    path += typeof step === "number" ? `[${step}]` : path === "" ? String(step) : `.${String(step)}`;
    there = typeof there === "object" && there !== null ? Reflect.get(there, step) : undefined;
  }
  const message = there === undefined ? "is missing" : describe(issue);
  return refused(path.slice(0, maxPathChars), message.slice(0, maxMessageChars));
}

/** What zod calls a thing, as JSON calls it. */
const plainNames: Readonly<Record<string, string>> = {
  record: "an object",
  object: "an object",
  array: "an array",
  int: "a whole number",
  number: "a number",
  string: "a string",
  boolean: "true or false",
};

function describe(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case "unrecognized_keys":
      return `has a field that is not known: ${issue.keys.slice(0, 5).join(", ").slice(0, 200)}`;
    case "invalid_type":
      return `must be ${plainNames[issue.expected] ?? issue.expected}`;
    case "invalid_value":
      return `must be one of ${issue.values.map(String).join(", ")}`;
    case "invalid_union":
      return issue.discriminator === undefined
        ? "has none of the allowed forms"
        : `must have a known "${issue.discriminator}"`;
    case "too_small":
      return `must be at least ${issue.minimum}${unitOf(issue.origin)}`;
    case "too_big":
      return `must be at most ${issue.maximum}${unitOf(issue.origin)}`;
    default:
      return issue.message;
  }
}

function unitOf(origin: string): string {
  if (origin === "string") return " characters";
  if (origin === "array" || origin === "set") return " items";
  return "";
}

/** Holds a value against a schema. `prefix` is the path of the value in what the caller sent. */
export function check<Schema extends z.ZodMiniType>(
  schema: Schema,
  value: unknown,
  prefix = "",
): Decoded<z.infer<Schema>> {
  const parsed = schema.safeParse(value);
  return parsed.success ? { ok: true, value: parsed.data } : firstIssue(parsed.error, value, prefix);
}

/** A client frame from its text. */
export function decodeClientFrame(text: string): Decoded<ClientFrame> {
  const json = parseJson(text, frameLimits);
  return json.ok ? check(clientFrameSchema, json.value) : json;
}

/** An HTTP body from its text; no body at all is an empty object. */
export function decodeBody<Schema extends z.ZodMiniType>(schema: Schema, text: string): Decoded<z.infer<Schema>> {
  const json: Decoded<unknown> = text === "" ? { ok: true, value: {} } : parseJson(text, bodyLimits);
  return json.ok ? check(schema, json.value) : json;
}

/** Whether the schema of `agent_delta` would take it; a test holds the two equal. */
function isPlainDelta(data: object): boolean {
  const { messageId, channel, text } = data as Readonly<Record<string, unknown>>;
  const isChannel = channel === "text" || channel === "reasoning" || channel === "tool_args";
  return isChannel && typeof text === "string" && typeof messageId === "string" && isName(messageId);
}

/**
 * One event of a runner, held against its own schema. What comes back is the value that came in, never a copy:
 * data is kept as it was said.
 */
export function checkEvent(
  event: { readonly type: string; readonly data?: unknown; readonly key?: string | undefined },
  prefix = "",
): Decoded<EventInput> {
  const at = prefix === "" ? "" : `${prefix}.`;
  const { type, key } = event;
  const data = event.data ?? {};
  if (typeof data !== "object" || Array.isArray(data)) return refused(`${at}data`, "must be an object");
  // Tokens are most of what comes, and a schema builds a copy of each.
  const isPlain = type === "agent_delta" && isPlainDelta(data);
  if (!isPlain && Object.hasOwn(eventData, type)) {
    const parsed = eventData[type as keyof typeof eventData].safeParse(data);
    if (!parsed.success) return firstIssue(parsed.error, data, `${at}data`);
  } else if (!isPlain && !isExtensionType(type)) {
    const known = Object.keys(eventData).join(", ");
    return refused(`${at}type`, `is not an event type; known are ${known}, and your own as x.<name>`);
  }
  return { ok: true, value: { type: type as EventType, data, key } as EventInput };
}

export interface PublishBody {
  readonly fence: Fence | string;
  readonly events: readonly EventInput[];
  readonly ifSeq?: number | undefined;
}

/** The body of a publish: shell first, then every event by its own schema. */
export function decodePublish(text: string): Decoded<PublishBody> {
  const shell = decodeBody(publishSchema, text);
  if (!shell.ok) return shell;
  const events: EventInput[] = [];
  for (const [index, event] of shell.value.events.entries()) {
    const checked = checkEvent(event, `events[${index}]`);
    if (!checked.ok) return checked;
    events.push(checked.value);
  }
  return { ok: true, value: { fence: shell.value.fence, events, ifSeq: shell.value.ifSeq } };
}
