/** The outbox of the Redis log: rows stand beside their events, and an index has their order over all streams. */
import type { RunId, StreamKey } from "../../../protocol/ids.ts";
import { streamOwner } from "../../../protocol/ids.ts";
import { parseTrusted } from "../../../protocol/json.ts";
import type { NewEvent } from "../event-log.ts";
import type { MoveOutbox, OutboxMoved, OutboxPage, OutboxQuery, OutboxRow, OutboxState } from "../outbox.ts";
import { pageAfter } from "../page-place.ts";
import { runsPage } from "../runs-page.ts";
import type { IndexCalls } from "./index-calls.ts";
import { oldestScript, removePlacesScript, removeScript } from "./index-scripts.ts";
import { prelude, script } from "./script.ts";
import type { StreamCalls } from "./stream-calls.ts";
import type { Turns } from "./turns.ts";

/** Entries of the index that are looked at together. */
const pageEntries = 64;
/** An entry without its row may still get it: nothing behind it is shown, so that a page hides nothing for good. */
const lateMs = 10_000;
/** By now it gets it no more. */
const deadMs = 86_400_000;

type Fixed = Pick<OutboxRow, "eventId" | "type" | "runId" | "threadId" | "time">;

/** What of a row never changes. */
export function outboxRowOf(
  { id, type, threadId, time }: Pick<NewEvent, "id" | "type" | "threadId" | "time">,
  runId: RunId | undefined,
): string {
  return JSON.stringify({ eventId: id, type, runId, threadId, time } satisfies Fixed);
}

/** ARGV[3…]: place to go on behind or at, upto, most. Offset and row by turns. */
const rowsScript = script(`${prelude}
local out = {'rows'}
for _, offset in ipairs(redis.call('ZRANGEBYSCORE', p .. 'obp', ARGV[3], ARGV[4], 'LIMIT', 0, ARGV[5])) do
  out[#out + 1] = offset
  out[#out + 1] = redis.call('HGET', p .. 'ob', offset) or ''
end
return out`);

/** ARGV[3…]: offset, version, state or "" to take it away, note, "1" to keep the note, "1" not once it is acknowledged. */
const moveScript = script(`${prelude}
local offset = ARGV[3]
local row = redis.call('HGET', p .. 'ob', offset)
if not row then return {'none'} end
local place, version, state, fixed, note = string.match(row, '^(%d+)\\n(%d+)\\n(%a+)\\n([^\\n]*)\\n(.*)$')
if version ~= ARGV[4] then return {'version_conflict', row} end
local isAcked = ARGV[8] == '1' and acked >= tonumber(offset)
if isAcked or ARGV[5] == '' then
  redis.call('HDEL', p .. 'ob', offset)
  redis.call('ZREM', p .. 'obz', offset)
  redis.call('ZREM', p .. 'obp', offset)
  return {isAcked and 'acked' or 'removed', place}
end
if ARGV[7] ~= '1' then note = ARGV[6] end
local moved = table.concat({place, int(tonumber(version) + 1), ARGV[5], fixed, note}, '\\n')
redis.call('HSET', p .. 'ob', offset, moved)
return {'moved', moved}`);

export interface PlacedRow {
  readonly place: number;
  readonly row: OutboxRow;
}

export class Outbox {
  readonly #index: IndexCalls;
  readonly #streams: StreamCalls;
  readonly #turns: Turns;
  readonly #now: () => number;

  constructor(index: IndexCalls, streams: StreamCalls, turns: Turns, now: () => number) {
    this.#index = index;
    this.#streams = streams;
    this.#turns = turns;
    this.#now = now;
  }

  async page(query: OutboxQuery): Promise<OutboxPage> {
    const behind = pageAfter(query.after) ?? 0;
    const { stream, limit } = query;
    const found =
      stream === undefined ? await this.#everywhere(query, behind) : await this.#ofStream(stream, query, behind);
    const { page, next } = runsPage(found, limit);
    return { rows: page.map(({ row }) => row), next };
  }

  async move(move: MoveOutbox): Promise<OutboxMoved> {
    const { stream, offset, version, to = "", note, unlessAcked } = move;
    const flags = [note ?? "", note === undefined ? "1" : "0", unlessAcked === true ? "1" : "0"];
    const { words } = await this.#turns.step(stream, () =>
      this.#streams.write(stream, moveScript, String(offset), String(version), to, ...flags),
    );
    const [word, said = ""] = words;
    if (word === "none") return { kind: "version_conflict", row: undefined };
    if (word === "version_conflict" || word === "moved") return { kind: word, row: rowOf(stream, offset, said).row };
    await this.done([said]);
    return word === "acked" ? { kind: "acked" } : { kind: "moved", row: undefined };
  }

  /** Rows at these places are there no more. */
  async done(places: readonly string[]): Promise<void> {
    if (places.length > 0) await this.#index.write(this.#index.keys.outbox, removePlacesScript, "all", ...places);
  }

  async #rows(stream: StreamKey, from: string, upto: string, most: number): Promise<PlacedRow[]> {
    const { words } = await this.#streams.read(stream, rowsScript, from, upto, String(most));
    const found: PlacedRow[] = [];
    for (let at = 1; at + 1 < words.length; at += 2) {
      const text = words[at + 1] ?? "";
      if (text !== "") found.push(rowOf(stream, Number(words[at]), text));
    }
    return found;
  }

  async #ofStream(stream: StreamKey, query: OutboxQuery, behind: number): Promise<PlacedRow[]> {
    const found: PlacedRow[] = [];
    for (let after = behind; ; ) {
      const page = await this.#rows(stream, `(${after}`, "+inf", pageEntries);
      found.push(...page.filter(({ row }) => isAsked(row, query)));
      const last = page.at(-1);
      if (last === undefined || found.length > query.limit) return found;
      after = last.place;
    }
  }

  async #everywhere(query: OutboxQuery, behind: number): Promise<PlacedRow[]> {
    const found: PlacedRow[] = [];
    for (let after = String(behind); ; ) {
      const key = this.#index.keys.outbox;
      const entries = await this.#index.read(key, oldestScript, "all", after, "+inf", String(pageEntries));
      const asked = entries.map(async (entry) => {
        const [place = "", writtenMs, stream = ""] = entry.split("\n");
        const [row] = await this.#rows(stream as StreamKey, place, place, 1);
        return { entry, writtenMs: Number(writtenMs), row };
      });
      for (const { entry, writtenMs, row } of await Promise.all(asked)) {
        const ageMs = this.#now() - writtenMs;
        if (row === undefined && ageMs < lateMs) return found;
        if (row === undefined && ageMs > deadMs)
          void this.#index.write(key, removeScript, "all", entry).catch(() => {});
        if (row === undefined || !isAsked(row.row, query)) continue;
        found.push(row);
        if (found.length > query.limit) return found;
      }
      const last = entries.at(-1);
      if (last === undefined || entries.length < pageEntries) return found;
      after = last.split("\n", 1)[0] ?? after;
    }
  }
}

const isAsked = (row: OutboxRow, { states, tenantId }: OutboxQuery): boolean =>
  (states === undefined || states.includes(row.state)) &&
  (tenantId === undefined || streamOwner(row.stream).tenantId === tenantId);

export function rowOf(stream: StreamKey, offset: number, text: string): PlacedRow {
  const [place, version, state, fixed = ""] = text.split("\n", 4);
  const note = text.slice(`${place}\n${version}\n${state}\n${fixed}\n`.length);
  const { eventId, type, runId, threadId, time } = parseTrusted(fixed) as Fixed;
  const row: OutboxRow = {
    ...{ stream, offset, eventId, type, runId, threadId, time },
    ...{ state: state as OutboxState, note, version: Number(version) },
  };
  return { place: Number(place), row };
}
