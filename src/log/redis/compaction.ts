/**
 * Compaction of the Redis log. A Redis Stream takes nothing in its middle, so a merged delta stands in a set beside it, and
 * the ones that it is made of leave the stream in the same step; whoever reads walks both in order (see `script`).
 */
import { runKey } from "../../../protocol/ids.ts";
import type { Compact, Compacted } from "../housekeeping.ts";
import { joinDeltas, type Kept } from "../merged-delta.ts";
import type { IndexCalls } from "./index-calls.ts";
import { oldestScript, removeScript } from "./index-scripts.ts";
import { keptOf, mergedOf, rawRecords } from "./record.ts";
import { type PlacedRun, type RunEntry, runEntry } from "./run-record.ts";
import type { Runs } from "./runs.ts";
import { prelude, script } from "./script.ts";
import type { StreamCalls } from "./stream-calls.ts";
import { readRunScript } from "./stream-scripts.ts";

/** Runs that are looked up together. */
const pageEntries = 32;
/** Events of a run that are joined together. */
const portionEvents = 2_048;
const portionBytes = 8 * 2 ** 20;

/**
 * ARGV[3…]: run key, its index entry, count of offsets, those: they leave; then offset and record by turns: they stand for
 * them. `changed` when it is another run by now.
 */
const joinScript = script(`${prelude}
if redis.call('HGET', p .. 'r:' .. ARGV[3], 'entry') ~= ARGV[4] then return {'changed'} end
local count = tonumber(ARGV[5])
for at = 6, 5 + count do
  redis.call('XDEL', p .. 'x', ARGV[at])
  redis.call('ZREMRANGEBYSCORE', p .. 'm', ARGV[at], ARGV[at])
end
for at = 6 + count, #ARGV, 2 do
  redis.call('ZREMRANGEBYSCORE', p .. 'm', ARGV[at], ARGV[at])
  redis.call('ZADD', p .. 'm', ARGV[at], ARGV[at + 1])
end
return {'joined'}`);

export class Compaction {
  readonly #index: IndexCalls;
  readonly #streams: StreamCalls;
  readonly #runs: Runs;

  constructor(index: IndexCalls, streams: StreamCalls, runs: Runs) {
    this.#index = index;
    this.#streams = streams;
    this.#runs = runs;
  }

  async compact({ endedBefore, maxEvents }: Compact): Promise<Compacted> {
    let seen = 0;
    let merged = 0;
    const key = this.#index.keys.runs;
    const upto = `(${Date.parse(endedBefore)}`;
    for (;;) {
      const entries = await this.#index.read(key, oldestScript, "ended", "-inf", upto, String(pageEntries));
      if (entries.length === 0) return { merged, more: false };
      for (const entry of entries) {
        if (seen >= maxEvents) return { merged, more: true };
        const done = await this.#compactRun(runEntry(entry));
        seen += done.events;
        merged += done.merged;
        await this.#index.write(key, removeScript, "ended", entry);
      }
    }
  }

  async #compactRun({ stream, run, entry }: RunEntry): Promise<{ readonly events: number; readonly merged: number }> {
    const found = await this.#runs.recordIn(stream, run);
    let events = 0;
    let merged = 0;
    if (found?.entry !== entry || found.record.ended === undefined) return { events, merged };
    for (let from = 0; from < found.record.seq; ) {
      const limit = [String(portionEvents), String(portionBytes)];
      const { words } = await this.#streams.read(stream, readRunScript, run, String(from), ...limit);
      const kept: Kept[] = [];
      for (const raw of rawRecords(words, 2)) {
        const one = keptOf(stream, raw);
        if (one !== undefined && (one.event.seq ?? 0) > from) kept.push(one);
      }
      const last = kept.at(-1)?.event.seq;
      if (last === undefined) break;
      events += kept.length;
      merged += await this.#join(found, kept);
      from = last;
      if (words[1] !== "1") break;
    }
    return { events, merged };
  }

  async #join({ record, entry }: PlacedRun, kept: readonly Kept[]): Promise<number> {
    const { stream } = record;
    const joined = joinDeltas(kept);
    if (joined.length === kept.length) return 0;
    const before = new Set(kept);
    const made = joined.filter((one) => !before.has(one));
    const stays = new Set(joined.filter((one) => before.has(one)).map(({ event }) => event.offset));
    const gone = kept.map(({ event }) => event.offset).filter((offset) => !stays.has(offset));
    const pairs = made.flatMap((one) => [String(one.event.offset), mergedOf(stream, one)]);
    const args = [runKey(record.tenantId, record.runId), entry, String(gone.length), ...gone.map(String), ...pairs];
    const { words } = await this.#streams.write(stream, joinScript, ...args);
    return words[0] === "joined" ? kept.length - joined.length : 0;
  }
}
