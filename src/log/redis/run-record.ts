/** A run's record between a script's words and the port's shape. */
import { asRunId, asTenantId, type RunId, type RunKey, type StreamKey, type TenantId } from "../../../protocol/ids.ts";
import { parseTrusted } from "../../../protocol/json.ts";
import type { TerminalState } from "../../../protocol/run-view.ts";
import type { NewRun, RunRecord } from "../event-log.ts";

/** A record, and where it stands in the indexes. */
export interface PlacedRun {
  readonly record: RunRecord;
  /** Every run has a greater one than those announced before it. */
  readonly place: number;
  readonly entry: string;
  readonly nonce: string;
  /** The time of its last event; empty while it lives. */
  readonly endedAt: string;
}

export const wordsOfRun = 10;

export function placedRun(words: readonly string[], at: number): PlacedRun {
  const [create = "", fence, seq, first, last, ended = "", place, entry = "", nonce = "", endedAt = ""] =
    words.slice(at);
  const record: RunRecord = {
    ...(parseTrusted(create) as NewRun),
    fence: Number(fence),
    seq: Number(seq),
    firstOffset: Number(first),
    lastOffset: Number(last),
    ...(ended !== "" && { ended: ended as TerminalState }),
  };
  return { record, place: Number(place), entry, nonce, endedAt };
}

export function placedRuns(words: readonly string[], from: number): PlacedRun[] {
  const found: PlacedRun[] = [];
  for (let at = from; at + wordsOfRun <= words.length; at += wordsOfRun) found.push(placedRun(words, at));
  return found;
}

/** What an index's entry names: its place, when it was written (ms since 1970), the run and its stream. */
export interface RunEntry {
  readonly entry: string;
  readonly place: number;
  readonly writtenMs: number;
  readonly run: RunKey;
  readonly stream: StreamKey;
}

export function runEntry(entry: string): RunEntry {
  const [place, writtenMs, run = "", stream = ""] = entry.split("\n");
  return { entry, place: Number(place), writtenMs: Number(writtenMs), run: run as RunKey, stream: stream as StreamKey };
}

export function runOfKey(key: RunKey): { tenantId: TenantId; runId: RunId } {
  const slash = key.indexOf("/");
  return { runId: asRunId(key.slice(0, slash)), tenantId: asTenantId(key.slice(slash + 1)) };
}
