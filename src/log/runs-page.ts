/**
 * Pages of runs, newest first: the opaque `before` of a query is the place of the last run that was shown. In one
 * stream that is the run's first offset, for a user must not see how many runs others have made (L8).
 */
import { InvalidInput } from "../errors.ts";

/** Every run has a greater place than the runs made before it. Undefined: start at the newest. Fails: InvalidInput. */
export function pageBefore(before: string | undefined): number | undefined {
  return placeOf(before, "before");
}

/** The same for pages that go forward. Undefined: start at the oldest. Fails: InvalidInput. */
export function pageAfter(after: string | undefined): number | undefined {
  return placeOf(after, "after");
}

function placeOf(text: string | undefined, path: string): number | undefined {
  if (text === undefined) return undefined;
  if (/^[0-9]{1,15}$/.test(text)) return Number(text);
  throw new InvalidInput({ code: "invalid", path, message: "not a page that this log gave" });
}

/** Cuts `found`, which holds one run more than `limit` when there are more, to a page. */
export function runsPage<Found extends { readonly place: number }>(
  found: readonly Found[],
  limit: number,
): { readonly page: readonly Found[]; readonly next: string | null } {
  const page = found.slice(0, limit);
  const last = page.at(-1);
  return { page, next: found.length > limit && last !== undefined ? String(last.place) : null };
}
