/** How many files and sockets this process may have open, and has. Read off /proc; where there is none nothing is known. */
import { readdirSync, readFileSync } from "node:fs";

/** What is left of the limit (`ulimit -n`), or undefined. */
export function sparePlaces(): { readonly limit: number; readonly spare: number } | undefined {
  try {
    const limit = Number(/^Max open files +(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1]);
    const open = readdirSync("/proc/self/fd").length;
    return Number.isSafeInteger(limit) && limit > 0 ? { limit, spare: limit - open } : undefined;
  } catch {
    return undefined;
  }
}
