/**
 * Any thrown or reported value as the `error` of `agent_failed`: a code to switch on and one message to show.
 * Never a stack, never a whole object: what the user sees must not carry the server's insides.
 */
import type { RunFailure } from "../runtime/run-handle.ts";

const maxMessageChars = 1_000;
const maxCodeChars = 100;

function read(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}

const isText = (value: unknown): value is string => typeof value === "string" && value !== "";

/** `AI_APICallError` → `api_call_error`. */
function codeFromName(name: string): string {
  return name
    .replace(/^AI_/, "")
    .replace(/([A-Z]+)([A-Z][a-z])/g, "$1_$2")
    .replace(/([a-z0-9])([A-Z])/g, "$1_$2")
    .toLowerCase();
}

function codeOf(error: unknown): string | undefined {
  const code = read(error, "code") ?? read(error, "_tag");
  if (isText(code)) return codeFromName(code);
  const name = read(error, "name");
  return isText(name) && name !== "Error" ? codeFromName(name) : undefined;
}

/**
 * The failure that a value tells of. Model APIs wrap theirs (`{ type: "error", error: { code, message } }`): the
 * innermost that has a message speaks.
 */
export function failureOf(error: unknown, fallbackCode = "agent_error"): RunFailure {
  const inner = read(error, "error") ?? read(read(error, "data"), "error");
  const source = isText(read(inner, "message")) ? inner : error;
  const message = isText(source) ? source : read(source, "message");
  const retryable = read(error, "isRetryable") ?? read(error, "retryable");
  return {
    code: (codeOf(source) ?? fallbackCode).slice(0, maxCodeChars),
    message: (isText(message) ? message : "the agent failed without a message").slice(0, maxMessageChars),
    ...(typeof retryable === "boolean" && { retryable }),
  };
}

/** What a failed tool says of itself, as data of `tool_completed`. */
export function toolErrorOf(error: unknown): { readonly code: string; readonly message: string } {
  const { code, message } = failureOf(error, "tool_error");
  return { code, message };
}
