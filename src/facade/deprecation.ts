/** Says of an old name that it is one: a warning of the process at its first call, and a count at each. */
import type { Runcast } from "../index.ts";

const warned = new Set<string>();

/** Before the call of `name` does anything. */
export function noteOldName(runcast: Runcast, name: string, replacement: string): void {
  runcast.noteFacadeCall(name);
  if (warned.has(name)) return;
  warned.add(name);
  process.emitWarning(`${name} is deprecated: use ${replacement} (docs/migration.md)`, {
    type: "DeprecationWarning",
    code: "RUNCAST_DEPRECATED",
  });
}
