/**
 * Brings an append into the log exactly once, however often it is tried: what the log refuses is looked for in it, by the
 * id of its first event, which nothing else bears.
 */
import { LogFull, LogUnavailable } from "../errors.ts";
import type { Append, Appended, EventLog, ReadLimit } from "../log/event-log.ts";
import { firstId } from "./entry.ts";

type Landed = Extract<Appended, { readonly kind: "appended" }>;

const one: ReadLimit = { maxEvents: 1, maxBytes: 1 };

/** Whether it speaks against the log, and not against what it was asked. */
export const isLogFailure = (cause: unknown): boolean => cause instanceof LogUnavailable || cause instanceof LogFull;

/** The place of an append that stands in the log; undefined when it does not. Fails: `LogUnavailable`. */
export async function whereLanded(log: EventLog, append: Append): Promise<Landed | undefined> {
  const { run, stream, events } = append;
  const count = events.length;
  if (run !== undefined) {
    const [first] = await log.readRun(run.tenantId, run.runId, run.expectedSeq, one);
    if (first?.id !== firstId(append)) return undefined;
    const record = await log.run(run.tenantId, run.runId);
    const { epoch } = await log.position(stream);
    const offset = first.offset + count - 1;
    return { kind: "appended", epoch, offset, seq: run.expectedSeq + count, fence: record?.fence ?? 0 };
  }
  const names = events.flatMap(({ key }) => (key === undefined ? [] : [key.name]));
  for (const [name, { offset }] of await log.knownKeys({ stream }, names)) {
    const firstOffset = offset - events.findIndex(({ key }) => key?.name === name);
    const { epoch, events: there } = await log.read(stream, firstOffset - 1, one);
    if (there[0]?.id === firstId(append))
      return { kind: "appended", epoch, offset: firstOffset + count - 1, seq: 0, fence: 0 };
  }
  return undefined;
}

/**
 * Appends it, or finds it there.
 *
 * Fails: `LogUnavailable`, `LogFull`.
 */
export async function land(log: EventLog, append: Append): Promise<Appended> {
  const answer = await log.append(append);
  return answer.kind === "appended" ? answer : ((await whereLanded(log, append)) ?? answer);
}

/** The same for what was accepted before: whoever holds the run by now, it was said when it might be said. */
export function landAccepted(log: EventLog, append: Append): Promise<Appended> {
  const { run } = append;
  return land(log, run === undefined ? append : { ...append, run: { ...run, fence: undefined } });
}
