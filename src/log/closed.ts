/** The failure that every adapter answers with after its end. */
import { LogUnavailable } from "../errors.ts";

/** How long a caller waits before it asks a log again that did not answer. */
export const logRetryAfterMs = 1_000;

export function logClosed(): LogUnavailable {
  return new LogUnavailable({ message: "the event log is closed", retryAfterMs: logRetryAfterMs });
}
