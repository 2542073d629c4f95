/** Runs one script under guard, and says what came of it. */
import { Guard } from "./guard.ts";
import type { Script } from "./script.ts";
import type { Violation } from "./world.ts";
import { World } from "./world.ts";

export interface Result {
  readonly script: Script;
  readonly world: World;
  readonly hash: string;
  /** The first one is what broke; the others may be its echo. */
  readonly violations: readonly Violation[];
}

export async function simulate(script: Script, keepsTrace = false): Promise<Result> {
  const guard = new Guard().post();
  const world = new World(script, keepsTrace);
  const unhandled = (cause: unknown): void => world.violate("I0", `unhandled rejection: ${stackOf(cause)}`);
  process.on("unhandledRejection", unhandled);
  try {
    await world.run();
    for (const leak of guard.taken()) world.violate("I20", `the real world leaks in: ${leak}`);
  } finally {
    process.off("unhandledRejection", unhandled);
    guard.dismiss();
  }
  return { script, world, hash: world.trace.hash, violations: world.violations };
}

const stackOf = (cause: unknown): string =>
  (cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)).split("\n").slice(0, 4).join(" | ");
