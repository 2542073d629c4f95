/**
 * What every adapter asks before it writes, in one order, so that all adapters give the same answer (L15).
 * Before it stands an adapter with its own picture of the run; behind it, that adapter's writes.
 *
 * The order: run · fence · keys · ended · seq · children; of a run that is made: the run itself · its parent. A fenced writer learns that first. A known key comes before `run_ended`
 * and `seq_conflict`: a writer that repeats a batch whose answer it never got must learn that it was written.
 */
import type { RunId } from "../../protocol/ids.ts";
import type { TerminalState } from "../../protocol/run-view.ts";
import type { Append, Appended, KnownKey, NewEvent } from "./event-log.ts";

export type Refused = Exclude<Appended, { readonly kind: "appended" }>;

/** The part of a run's record that decides. */
export interface RunGuard {
  readonly stream: string;
  readonly fence: number;
  readonly seq: number;
  readonly ended?: TerminalState | undefined;
}

/**
 * The reason why an append to a run that is not being created must write nothing, or undefined.
 *
 * `keyed`: its events, or those of them that have a key. A run of another stream is answered like a missing one: an owner never learns of a foreign run.
 */
export function refuseAppend(
  append: Pick<Append, "stream" | "run">,
  keyed: readonly Pick<NewEvent, "key">[],
  run: RunGuard | undefined,
  knownKey: (name: string) => KnownKey | undefined,
  childLives: () => boolean,
): Refused | undefined {
  const target = append.run;
  if (target !== undefined) {
    if (run === undefined || run.stream !== append.stream) return { kind: "no_run" };
    if (target.fence !== undefined && target.fence !== run.fence) return { kind: "fenced", fence: run.fence };
  }
  for (const event of keyed) {
    if (event.key === undefined) continue;
    const known = knownKey(event.key.name);
    if (known !== undefined) return { kind: "key_known", key: event.key.name, known };
  }
  if (target === undefined || run === undefined) return undefined;
  if (run.ended !== undefined) return { kind: "run_ended", ended: run.ended };
  if (target.expectedSeq !== run.seq) return { kind: "seq_conflict", seq: run.seq };
  if (target.asksFamily === true && target.ended !== undefined && childLives()) return { kind: "child_lives" };
  return undefined;
}

/** The reason why a run that is not there yet may not be made, or undefined. `find`: a run of its tenant. */
export function refuseBirth(
  { stream, run }: Pick<Append, "stream" | "run">,
  find: (runId: RunId) => Pick<RunGuard, "stream" | "ended"> | undefined,
): Refused | undefined {
  const parentRunId = run?.create?.parentRunId;
  if (run?.asksFamily !== true || parentRunId === undefined) return undefined;
  const parent = find(parentRunId);
  return parent?.stream === stream && parent.ended === undefined ? undefined : { kind: "no_parent" };
}

/**
 * Throws a TypeError for an append that no log can hold: a mistake in the caller's code, not an answer.
 */
export function assertAppend(append: Append): void {
  if (append.events.length === 0) throw new TypeError("an append holds at least one event");
  const create = append.run?.create;
  if (create !== undefined) {
    const { runId, tenantId, expectedSeq } = append.run ?? {};
    if (create.stream !== append.stream || create.runId !== runId || create.tenantId !== tenantId) {
      throw new TypeError("a run is created in the stream and under the ids that its append names");
    }
    if (expectedSeq !== 0) throw new TypeError("a run is created with expectedSeq 0");
  }
  for (const index of append.escalate ?? []) {
    if (append.events[index] === undefined) throw new TypeError("`escalate` names events of its append by their index");
  }
  let names: Set<string> | undefined;
  for (const { key, data } of append.events) {
    // It has no UTF-8 form: a store would give another text back.
    if (!data.isWellFormed()) throw new TypeError("data holds a lone surrogate that is not escaped");
    if (key === undefined) continue;
    names ??= new Set();
    if (names.has(key.name)) throw new TypeError("a key stands once in an append");
    names.add(key.name);
  }
}
