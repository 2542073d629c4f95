/** What stands at the doors of a runtime, whatever comes in by them: who is reported, and who was sent away. */
import { AuthEvents } from "../auth/auth-events.ts";
import type { AuthEventsTerms } from "../auth/auth-events.ts";
import type { RevocationsTerms } from "./revocations.ts";
import { Revocations } from "./revocations.ts";

export interface Doors {
  /** Where the gateway reports what happens. */
  readonly authEvents: AuthEvents;
  /** What every check of a credential asks. */
  readonly revocations: Revocations;
}

export const doorsOf = (terms: AuthEventsTerms & RevocationsTerms): Doors => ({
  authEvents: new AuthEvents(terms),
  revocations: new Revocations(terms),
});
