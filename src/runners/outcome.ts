/** How a runner's work ended. It is an answer and no exception: a failed agent is news for its user, not a bug here. */
import type { RunFailure } from "../runtime/run-handle.ts";

export type RunOutcome =
  | { readonly state: "completed"; readonly output?: unknown; readonly usage?: unknown }
  | { readonly state: "failed"; readonly error: RunFailure }
  | { readonly state: "cancelled"; readonly reason?: string | undefined }
  /** It waits for a person or a client. Run it again with the answer: the same run goes on. */
  | { readonly state: "suspended"; readonly reason: string }
  /** The run was ended, or taken over, by somebody else: nothing more of this runner was written. */
  | { readonly state: "lost"; readonly error: unknown };
