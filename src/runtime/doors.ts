/** What stands at the doors of a runtime, whatever comes in by them: who is reported, and who was sent away. */
import { SharedTickets } from "../auth/shared-tickets.ts";
import { AuthEvents } from "../auth/auth-events.ts";
import type { AuthEventsTerms } from "../auth/auth-events.ts";
import { spread } from "./spread.ts";
import type { RevocationsTerms } from "./revocations.ts";
import { Revocations } from "./revocations.ts";

export interface Doors {
  /** Where the gateway reports what happens. */
  readonly authEvents: AuthEvents;
  /** What every check of a credential asks. */
  readonly revocations: Revocations;
  /** Where several processes serve the log: tickets that one sells and another takes in. Else the gateway has its own. */
  readonly tickets?: SharedTickets | undefined;
}

/** Between two looks for tickets that nobody used; with a chance of its own, so that nodes do not look together. */
const tidyMs = 60_000;

export function doorsOf(terms: AuthEventsTerms & RevocationsTerms): Doors {
  const doors = { authEvents: new AuthEvents(terms), revocations: new Revocations(terms) };
  const { log, clock, deadlines, journal } = terms;
  if (!log.isShared) return doors;
  const tickets = new SharedTickets({ log, clock });
  const tidyLater = (): void =>
    void deadlines.after(spread(clock, tidyMs), () => {
      const failed = (cause: unknown): void => journal.write("debug", "tickets.notTidied", { cause });
      void tickets.tidy().catch(failed).then(tidyLater);
    });
  tidyLater();
  return { ...doors, tickets };
}
