/** The dead letters of the Redis log: each beside its stream, with an index that has their order and their age. */
import type { StreamKey } from "../../../protocol/ids.ts";
import { streamOwner } from "../../../protocol/ids.ts";
import { parseTrusted } from "../../../protocol/json.ts";
import type { DeadLetter, DeadLettersPage, DeadLettersQuery, QuarantineEntry } from "../dead-letter.ts";
import { pageBefore } from "../page-place.ts";
import { runsPage } from "../runs-page.ts";
import type { IndexCalls } from "./index-calls.ts";
import {
  addScript,
  newestScript,
  oldestScript,
  placeScript,
  removePlacesScript,
  removeScript,
} from "./index-scripts.ts";
import { prelude, script } from "./script.ts";
import type { StreamCalls } from "./stream-calls.ts";

const pageEntries = 64;

/** ARGV[3…]: place, letter. */
const buryScript = script(`${prelude}
redis.call('HSET', p .. 'l', ARGV[3], ARGV[4])
redis.call('ZADD', p .. 'lz', ARGV[3], ARGV[3])
return {'buried'}`);

/** ARGV[3…]: places. */
const exhumeScript = script(`${prelude}
for at = 3, #ARGV do
  redis.call('HDEL', p .. 'l', ARGV[at])
  redis.call('ZREM', p .. 'lz', ARGV[at])
end
return {'gone'}`);

/** ARGV[3…]: before ("" for the newest), most. Place and letter by turns, newest first. */
const lettersScript = script(`${prelude}
local out = {'letters'}
local top = ARGV[3] == '' and '+inf' or '(' .. ARGV[3]
for _, place in ipairs(redis.call('ZREVRANGEBYSCORE', p .. 'lz', top, '-inf', 'LIMIT', 0, ARGV[4])) do
  out[#out + 1] = place
  out[#out + 1] = redis.call('HGET', p .. 'l', place) or ''
end
return out`);

/** ARGV[3]: place. */
const letterScript = script(`${prelude}
return {'letter', redis.call('HGET', p .. 'l', ARGV[3]) or ''}`);

interface PlacedLetter {
  readonly place: number;
  readonly letter: DeadLetter;
}

export class Letters {
  readonly #index: IndexCalls;
  readonly #streams: StreamCalls;

  constructor(index: IndexCalls, streams: StreamCalls) {
    this.#index = index;
    this.#streams = streams;
  }

  async quarantine(entry: QuarantineEntry): Promise<void> {
    const place = await this.place(entry.stream, entry.time);
    const letter: DeadLetter = { kind: "quarantined", ...entry };
    await this.#streams.write(entry.stream, buryScript, place, JSON.stringify(letter));
  }

  /** Takes a place for a letter that is then written. */
  async place(stream: StreamKey, time: string): Promise<string> {
    const key = this.#index.keys.letters;
    const [place = "", entry = ""] = await this.#index.write(key, placeScript, stream);
    await this.#index.write(key, addScript, "times", String(Date.parse(time)), entry);
    return place;
  }

  async page(query: DeadLettersQuery): Promise<DeadLettersPage> {
    const before = pageBefore(query.before);
    const top = before === undefined ? "" : String(before);
    const found =
      query.stream === undefined ? await this.#everywhere(query, top) : await this.#ofStream(query.stream, query, top);
    const { page, next } = runsPage(found, query.limit);
    return { entries: page.map(({ letter }) => letter), next };
  }

  /** Those that are older go. */
  async retire(before: string): Promise<void> {
    const key = this.#index.keys.letters;
    for (;;) {
      const entries = await this.#index.read(
        key,
        oldestScript,
        ...["times", "-inf", `(${Date.parse(before)}`, String(pageEntries)],
      );
      for (const entry of entries) {
        const [place = "", , stream = ""] = entry.split("\n");
        await this.#streams.write(stream as StreamKey, exhumeScript, place);
      }
      if (entries.length === 0) return;
      await this.#index.write(key, removeScript, "times", ...entries);
      await this.#index.write(key, removeScript, "all", ...entries);
    }
  }

  /** A letter that another has taken the place of. */
  async replaced(place: string): Promise<void> {
    const key = this.#index.keys.letters;
    const [entry] = await this.#index.read(key, oldestScript, "all", String(Number(place) - 1), place, "1");
    if (entry !== undefined) await this.#index.write(key, removeScript, "times", entry);
    await this.#index.write(key, removePlacesScript, "all", place);
  }

  async #ofStream(stream: StreamKey, query: DeadLettersQuery, from: string): Promise<PlacedLetter[]> {
    const found: PlacedLetter[] = [];
    for (let top = from; ; ) {
      const { words } = await this.#streams.read(stream, lettersScript, top, String(pageEntries));
      for (let at = 1; at + 1 < words.length; at += 2) {
        const text = words[at + 1] ?? "";
        if (text === "") continue;
        const letter = parseTrusted(text) as DeadLetter;
        if (isAsked(letter, query)) found.push({ place: Number(words[at]), letter });
        if (found.length > query.limit) return found;
      }
      if (words.length < 2 * pageEntries) return found;
      top = words.at(-2) ?? "0";
    }
  }

  async #everywhere(query: DeadLettersQuery, from: string): Promise<PlacedLetter[]> {
    const found: PlacedLetter[] = [];
    for (let top = from; ; ) {
      const entries = await this.#index.read(this.#index.keys.letters, newestScript, "all", top, String(pageEntries));
      const asked = entries.map(async (entry) => {
        const [place = "", , stream = ""] = entry.split("\n");
        const key = stream as StreamKey;
        if (query.tenantId !== undefined && streamOwner(key).tenantId !== query.tenantId) return undefined;
        const { words } = await this.#streams.read(key, letterScript, place);
        const text = words[1] ?? "";
        return text === "" ? undefined : { place: Number(place), letter: parseTrusted(text) as DeadLetter };
      });
      for (const one of await Promise.all(asked)) {
        if (one !== undefined && isAsked(one.letter, query)) found.push(one);
        if (found.length > query.limit) return found;
      }
      const last = entries.at(-1);
      if (last === undefined || entries.length < pageEntries) return found;
      top = last.split("\n", 1)[0] ?? "0";
    }
  }
}

function isAsked(letter: DeadLetter, { tenantId, runId }: DeadLettersQuery): boolean {
  if (tenantId !== undefined && letter.tenantId !== tenantId) return false;
  return runId === undefined || (letter.kind === "quarantined" && letter.runId === runId);
}
