/**
 * Pages of runs, newest first: the opaque `before` of a query is the place of the last run that was shown. In one
 * stream that is the run's first offset, for a user must not see how many runs others have made (L8).
 */
/** Cuts `found`, which holds one run more than `limit` when there are more, to a page. */
export function runsPage<Found extends { readonly place: number }>(
  found: readonly Found[],
  limit: number,
): { readonly page: readonly Found[]; readonly next: string | null } {
  const page = found.slice(0, limit);
  const last = page.at(-1);
  return { page, next: found.length > limit && last !== undefined ? String(last.place) : null };
}
