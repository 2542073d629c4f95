/** The calls of operators on feature flags, behind the gate. */
import { answer } from "./answer.ts";
import type { Flags } from "./flags.ts";
import { nameOf, requireRight } from "./gate.ts";
import type { RuntimeService } from "./runtime.ts";

export function flagCalls(flags: Flags): Pick<RuntimeService, "flags" | "setFlags" | "rollBackFlags"> {
  return {
    flags: (caller) =>
      answer(() => {
        requireRight(caller, "admin");
        return flags.get();
      }),
    setFlags: (caller, patch, expected) =>
      answer(() => {
        requireRight(caller, "admin");
        return flags.set(patch, nameOf(caller), expected);
      }),
    rollBackFlags: (caller, expected) =>
      answer(() => {
        requireRight(caller, "admin");
        return flags.rollback(nameOf(caller), expected);
      }),
  };
}
