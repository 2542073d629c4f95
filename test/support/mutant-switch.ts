/**
 * In a thread that outlives its run, the last mutant is still on when the next run loads its files: off with it until
 * the tests begin. A mutant of what runs while modules are loaded is on from the start, in a thread of its own.
 */
import { afterEach, inject } from "vitest";

declare module "vitest" {
  interface ProvidedContext {
    readonly globalNamespace: string;
    readonly mutantActivation: "static" | "runtime";
  }
}

const mutants: unknown = Reflect.get(globalThis, inject("globalNamespace") ?? "");
if (typeof mutants === "object" && mutants !== null && inject("mutantActivation") !== "static") {
  Reflect.set(mutants, "activeMutant", undefined);
}

/** What a report keeps of a failure: a counterexample may be as long as a run. */
const maxFailureChars = 500;

afterEach(({ task }) => {
  for (const error of task.result?.errors ?? []) error.message = error.message.slice(0, maxFailureChars);
});
