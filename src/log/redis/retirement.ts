/**
 * Retention of the Redis log: a stream's beginning is cut off in one script, at the place that `retire-rules` names, and
 * only if nothing has changed since that was asked. The stream is never cut by its length: no living run is passed (L4).
 */
import { type Offset, type StreamKey, streamOwner } from "../../../protocol/ids.ts";
import { parseTrusted } from "../../../protocol/json.ts";
import type { DeadLetter, LostRange } from "../dead-letter.ts";
import type { Retire, Retired, RetiredRange } from "../housekeeping.ts";
import { cutOf, isNextOf, momentOf, retiredReason, unackedRange } from "../retire-rules.ts";
import { unavailable } from "./failure.ts";
import { tierClaims } from "./documents.ts";
import type { IndexCalls } from "./index-calls.ts";
import { forgetScript, listedScript, removeScript } from "./index-scripts.ts";
import type { Letters } from "./letters.ts";
import type { Losses } from "./losses.ts";
import type { Outbox } from "./outbox.ts";
import { type PlacedRun, placedRuns, runOfKey, wordsOfRun } from "./run-record.ts";
import { prelude, script, walk } from "./script.ts";
import type { StreamCalls } from "./stream-calls.ts";
import { runKey } from "../../../protocol/ids.ts";

/** Streams that are looked at together. */
const pageStreams = 32;
const pageRuns = 128;
const maxTries = 8;

/**
 * ARGV[3…]: before (ISO time), the offset to go on after. How far the old goes: `young` at the first that is not, `more`
 * where the script stopped. Answers with first, head, acked, the place and text of the last letter of what went.
 */
const oldScript = script(`${prelude}${walk}
local letter = redis.call('HGET', KEYS[1], 'letter') or ''
local text = letter ~= '' and redis.call('HGET', p .. 'l', letter) or ''
local function answer(word, upto) return {word, int(upto), int(first), int(head), int(acked), letter, text} end
local upto, count = math.max(tonumber(ARGV[4]), first - 1), 0
local next = walker(upto, ARGV[4] == '0' and 16 or 512)
while true do
  local offset, cover, said, time = next()
  if not offset then return answer('all', head) end
  -- Of a record that is lost nothing is known: it is as old as what stood before it.
  if time >= ARGV[3] and not redis.call('ZSCORE', p .. 'lost', int(offset)) then return answer('young', offset - cover) end
  upto, count = offset, count + 1
  if count == 4096 then return answer('more', upto) end
end`);

/** ARGV[3…]: first offset to begin behind, upto, most. Runs of a stream, ascending. */
const spansScript = script(`${prelude}
local out = {'runs'}
for _, run in ipairs(redis.call('ZRANGEBYSCORE', p .. 'runs', '(' .. ARGV[3], ARGV[4], 'LIMIT', 0, ARGV[5])) do
  local found = record(run)
  if found then
    local size = #out
    for n = 1, 10 do out[size + n] = found[n] end
  end
end
return out`);

/**
 * ARGV[3…]: first, cut, acked, place of the letter before, place and text of the new letter ("" for none), whether it
 * replaces the one before ("1"), how many of the unacknowledged are counted as lost, run keys. Answers with `changed` when
 * it is not so any more, else with the approvals of the runs (run key and id by turns), then "" and the places of outbox rows.
 */
const cutScript = script(`${prelude}
local cut, letter = tonumber(ARGV[4]), redis.call('HGET', KEYS[1], 'letter') or ''
if not epoch or int(first) ~= ARGV[3] or int(acked) ~= ARGV[5] or letter ~= ARGV[6] then return {'changed'} end
local unackedFrom = math.max(first, acked + 1)
if redis.call('ZCOUNT', p .. 'lost', int(unackedFrom), int(cut)) ~= tonumber(ARGV[10]) then return {'changed'} end
for at = 11, #ARGV do
  if not redis.call('HGET', p .. 'r:' .. ARGV[at], 'ended') then return {'changed'} end
end
local out = {'cut'}
redis.call('HSET', KEYS[1], 'first', int(cut + 1))
for at = 11, #ARGV do
  local run = ARGV[at]
  for _, id in ipairs(redis.call('SMEMBERS', p .. 'a:' .. run)) do
    out[#out + 1] = run
    out[#out + 1] = id
  end
  redis.call('UNLINK', p .. 'r:' .. run, p .. 'k:' .. run, p .. 'o:' .. run, p .. 'a:' .. run)
  redis.call('ZREM', p .. 'runs', run)
end
out[#out + 1] = ''
redis.call('XTRIM', p .. 'x', 'MINID', int(cut + 1))
redis.call('ZREMRANGEBYSCORE', p .. 'm', '-inf', int(cut))
for _, name in ipairs(redis.call('ZRANGEBYSCORE', p .. 'kz', '-inf', int(cut))) do redis.call('HDEL', p .. 'k:', name) end
redis.call('ZREMRANGEBYSCORE', p .. 'kz', '-inf', int(cut))
for _, offset in ipairs(redis.call('ZRANGEBYSCORE', p .. 'obz', '-inf', int(cut))) do
  out[#out + 1] = string.match(redis.call('HGET', p .. 'ob', offset) or '', '^%d+') or ''
  redis.call('HDEL', p .. 'ob', offset)
  redis.call('ZREM', p .. 'obp', offset)
end
redis.call('ZREMRANGEBYSCORE', p .. 'obz', '-inf', int(cut))
local died = math.max(cut + 1 - unackedFrom, 0) + redis.call('ZCOUNT', p .. 'lost', '-inf', int(math.min(cut, unackedFrom - 1)))
if died > 0 then redis.call('HSET', KEYS[1], 'dead', int(dead + died)) end
redis.call('ZREMRANGEBYSCORE', p .. 'lost', '-inf', int(cut))
if ARGV[7] ~= '' then
  if ARGV[9] == '1' then
    redis.call('HDEL', p .. 'l', letter)
    redis.call('ZREM', p .. 'lz', letter)
  end
  redis.call('HSET', p .. 'l', ARGV[7], ARGV[8])
  redis.call('ZADD', p .. 'lz', ARGV[7], ARGV[7])
  redis.call('HSET', KEYS[1], 'letter', ARGV[7])
end
return out`);

interface Plan {
  readonly first: Offset;
  readonly cut: Offset;
  readonly acked: Offset;
  readonly letterPlace: string;
  readonly letterText: string;
  readonly runs: readonly PlacedRun[];
}

export class Retirement {
  readonly #index: IndexCalls;
  readonly #streams: StreamCalls;
  readonly #letters: Letters;
  readonly #outbox: Outbox;
  readonly #losses: Losses;

  constructor(index: IndexCalls, streams: StreamCalls, letters: Letters, outbox: Outbox, losses: Losses) {
    this.#index = index;
    this.#streams = streams;
    this.#letters = letters;
    this.#outbox = outbox;
    this.#losses = losses;
  }

  /** `after`: the place of the last stream that the sweep has behind it. */
  async retire(ask: Retire): Promise<Retired> {
    const { now, maxEvents, after = "0" } = ask;
    await this.#letters.retire(ask.before);
    const streams: RetiredRange[] = [];
    let events = 0;
    for (let place = after; ; ) {
      const page = await this.#index.read(this.#index.keys.streams, listedScript, place, String(pageStreams));
      const claims = ask.tiers && (await tierClaims(this.#index, page.filter((_, at) => at % 2 === 0) as StreamKey[]));
      for (let at = 0; at + 1 < page.length; at += 2) {
        const stream = (page[at] ?? "") as StreamKey;
        const before = momentOf(ask, stream, claims?.get(stream));
        const range = before === undefined ? undefined : await this.#retireFrom(stream, before, now, maxEvents);
        if (range !== undefined) {
          streams.push(range);
          events += range.upto + 1 - range.from;
          // The same stream again: there may be more of it.
          if (events >= maxEvents) return { streams, next: place };
        }
        place = page[at + 1] ?? place;
      }
      if (page.length < 2 * pageStreams) return { streams, next: null };
    }
  }

  async #retireFrom(
    stream: StreamKey,
    before: string,
    now: string,
    maxEvents: number,
  ): Promise<RetiredRange | undefined> {
    for (let tries = 0; tries < maxTries; tries += 1) {
      const plan = await this.#plan(stream, before, maxEvents);
      if (plan === undefined) return undefined;
      const { first, cut, acked } = plan;
      const unacked = unackedRange(first, cut, acked);
      // What is lost has died already, and has its letter.
      const lost = unacked === undefined ? 0 : await this.#losses.count(stream, unacked);
      const dead = unacked === undefined ? 0 : unacked.upto + 1 - unacked.from - lost;
      const { tenantId } = streamOwner(stream);
      const range: LostRange | undefined =
        unacked && dead > 0
          ? { stream, tenantId, ...unacked, events: dead, reason: retiredReason, time: now }
          : undefined;
      if (await this.#cut(stream, plan, range, lost)) return { stream, from: first, upto: cut, deadLettered: dead };
    }
    throw unavailable("the beginning of a stream changes again and again");
  }

  /** What may go now; undefined: nothing. */
  async #plan(stream: StreamKey, before: string, maxEvents: number): Promise<Plan | undefined> {
    const runs: PlacedRun[] = [];
    for (let upto = 0; ; ) {
      const { words } = await this.#streams.read(stream, oldScript, before, String(upto));
      const [word, uptoText, firstText, , ackedText, letterPlace = "", letterText = ""] = words;
      const [first, acked] = [Number(firstText), Number(ackedText)];
      upto = Number(uptoText);
      await this.#addRuns(stream, runs, upto);
      const cut = cutOf(
        first,
        upto,
        runs.map(({ record }) => record),
        maxEvents,
      );
      const isHeldBack = runs.some(({ record }) => record.ended === undefined);
      // What is known decides already: to look further changes nothing.
      const isFinal = word !== "more" || isHeldBack || (cut + 1 - first >= maxEvents && cut < upto);
      if (!isFinal) continue;
      if (cut < first) return undefined;
      const gone = runs.filter(({ record }) => record.lastOffset <= cut);
      return { first, cut, acked, letterPlace, letterText, runs: gone };
    }
  }

  /** The runs that begin up to an offset, behind those that are there. */
  async #addRuns(stream: StreamKey, runs: PlacedRun[], upto: Offset): Promise<void> {
    for (;;) {
      const from = runs.at(-1)?.record.firstOffset ?? 0;
      const { words } = await this.#streams.read(stream, spansScript, String(from), String(upto), String(pageRuns));
      const found = placedRuns(words, 1);
      runs.push(...found);
      if (words.length < pageRuns * wordsOfRun) return;
    }
  }

  async #cut(stream: StreamKey, plan: Plan, range: LostRange | undefined, lost: number): Promise<boolean> {
    const { first, cut, acked, letterPlace, letterText, runs } = plan;
    const last = letterText === "" ? undefined : (parseTrusted(letterText) as DeadLetter);
    const joined = range !== undefined && last?.kind === "retired" && isNextOf(last, range) ? last : undefined;
    const letter: DeadLetter | undefined = range && {
      kind: "retired",
      ...range,
      ...(joined && { from: joined.from, events: joined.events + range.events }),
    };
    const place = letter === undefined ? "" : await this.#letters.place(stream, letter.time);
    const keys = runs.map(({ record }) => runKey(record.tenantId, record.runId));
    const { words } = await this.#streams.write(
      stream,
      cutScript,
      ...[String(first), String(cut), String(acked), letterPlace, place],
      ...[letter === undefined ? "" : JSON.stringify(letter), joined === undefined ? "0" : "1", String(lost), ...keys],
    );
    const isCut = words[0] === "cut";
    if (!isCut && place !== "") await this.#letters.replaced(place);
    if (isCut && joined !== undefined) await this.#letters.replaced(letterPlace);
    if (isCut) await this.#tidy(stream, runs, words);
    return isCut;
  }

  /** Takes out of the indexes what is no more. What is left there when this fails says nothing. */
  async #tidy(stream: StreamKey, runs: readonly PlacedRun[], words: readonly string[]): Promise<void> {
    const { keys } = this.#index;
    const approvalsEnd = words.indexOf("", 1);
    for (let at = 1; at + 1 < approvalsEnd; at += 2) {
      const run = words[at] as ReturnType<typeof runKey>;
      const key = keys.approval(runOfKey(run).tenantId, words[at + 1] ?? "");
      await this.#index.write(key, removeScript, "all", `${run}\n${stream}`);
    }
    await this.#outbox.done(words.slice(approvalsEnd + 1));
    const entries = runs.map(({ entry }) => entry);
    if (entries.length > 0)
      for (const set of ["all", "living", "ended"]) await this.#index.write(keys.runs, removeScript, set, ...entries);
    await Promise.all(
      runs.map(({ record, nonce }) => this.#index.write(keys.run(record.tenantId, record.runId), forgetScript, nonce)),
    );
  }
}
