/**
 * The opaque `before` and `after` of pages, read: the place of the last row that was shown, as `runs-page` wrote it. Apart
 * from it, for it refuses: what serves pages in the log's thread refuses nothing, and is there sooner.
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
