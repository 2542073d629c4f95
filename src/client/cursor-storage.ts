/**
 * Where a cursor outlives the page. What is saved is the place that was handed to the application, never further.
 *
 * A stored cursor brings back the *events* after it, not the state that the page had folded from those before. A page
 * that only shows runs does better without storage: `from: "active"` (the default) brings the folded living runs.
 * Storage is for an application that keeps its own state.
 */
import type { Cursor } from "../../protocol/ids.ts";
import { frameLimits, parseJson } from "../../protocol/json.ts";

export interface CursorStorage {
  /** Undefined: nothing was saved. Throws: it is unreadable, and the client reports `mayRepeat`. */
  load(): Cursor | undefined;
  save(cursor: Cursor): void;
}

const maxEpochChars = 64;

/** Whether what came out of a storage can be sent as a cursor. */
export function isCursor(value: unknown): value is Cursor {
  if (typeof value !== "object" || value === null) return false;
  const { epoch, offset } = value as Partial<Record<keyof Cursor, unknown>>;
  return (
    typeof epoch === "string" &&
    epoch.length > 0 &&
    epoch.length <= maxEpochChars &&
    Number.isSafeInteger(offset) &&
    Number(offset) >= 0
  );
}

function webStorageCursor(storage: Storage, key: string): CursorStorage {
  return {
    load: () => {
      const text = storage.getItem(key);
      if (text === null) return undefined;
      const stored = parseJson(text, frameLimits);
      if (!stored.ok || !isCursor(stored.value)) throw new Error(`what is under ${key} is not a cursor`);
      return stored.value;
    },
    save: (cursor) => storage.setItem(key, JSON.stringify(cursor)),
  };
}

/** One place for all tabs of an origin: for one tab at a time. */
export const localStorageCursor = (key: string): CursorStorage => webStorageCursor(localStorage, key);

/** One place per tab: it survives a reload and ends with the tab. */
export const sessionStorageCursor = (key: string): CursorStorage => webStorageCursor(sessionStorage, key);
