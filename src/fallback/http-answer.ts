/** What the status of an answer says about a notice or an alert: taken, or whose fault it is that it was not. */
import { NotTaken } from "./not-taken.ts";

const okStatuses = { from: 200, to: 299 };
const redirects = { from: 300, to: 399 };
const within = (status: number, { from, to }: { from: number; to: number }): boolean => status >= from && status <= to;

export const isTaken = (status: number): boolean => within(status, okStatuses);

/**
 * Passes for what was taken.
 *
 * `addressStatuses`: by which the other side says that it is well and refuses this one address.
 *
 * Fails: `NotTaken` with `answer` or `address`.
 */
export function requireTaken(who: string, status: number, addressStatuses: readonly number[] = []): void {
  if (isTaken(status)) return;
  const note = within(status, redirects) ? ", and redirects are not followed" : "";
  throw new NotTaken(addressStatuses.includes(status) ? "address" : "answer", `${who} answered ${status}${note}`);
}
