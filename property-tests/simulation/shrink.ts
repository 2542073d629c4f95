/**
 * Makes a failing script shorter while it still breaks the same law: leaves out halves of the faults, then single
 * ones, then actors, then simplifies what is left (delta debugging).
 */
import type { Result } from "./simulate.ts";
import { simulate } from "./simulate.ts";
import type { Script } from "./script.ts";

const maxTries = 400;

export async function shrink(failed: Result): Promise<Result> {
  const law = failed.violations[0]?.law;
  let best = failed;
  let tries = 0;
  let isShorter = true;
  while (isShorter) {
    isShorter = false;
    for (const candidate of candidates(best.script)) {
      if (tries >= maxTries) return best;
      tries += 1;
      const result = await simulate(candidate);
      if (result.violations[0]?.law !== law) continue;
      best = result;
      isShorter = true;
      break;
    }
  }
  return best;
}

/** Shorter ones first. */
function* candidates(script: Script): Generator<Script> {
  const { faults, runs, devices, notices } = script;
  for (let size = Math.ceil(faults.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2))
    for (let from = 0; from < faults.length; from += size) yield { ...script, faults: faults.toSpliced(from, size) };
  if (notices.length > 0) yield { ...script, notices: [] };
  // The others keep their numbers, and with these their dice.
  if (runs.length > 1) yield { ...script, runs: runs.slice(0, -1) };
  if (devices.length > 1) yield { ...script, devices: devices.slice(0, -1) };
  for (const [at, run] of runs.entries()) {
    if (run.batches > 0) yield { ...script, runs: runs.with(at, { ...run, batches: Math.floor(run.batches / 2) }) };
    if (run.asks) yield { ...script, runs: runs.with(at, { ...run, asks: false }) };
    if (run.illegal > 0) yield { ...script, runs: runs.with(at, { ...run, illegal: 0 }) };
    if (run.cancelAtMs !== undefined) {
      const { cancelAtMs: _, ...rest } = run;
      yield { ...script, runs: runs.with(at, rest) };
    }
  }
}
