/**
 * Offsets whose record failed its checksum or is gone: each is counted once and has one dead letter, whichever nodes meet it
 * and when (L10). They are kept beside their stream until retention passes them. `reads` finds them.
 */
import type { Epoch, Offset, StreamKey } from "../../../protocol/ids.ts";
import { LogFull, LogUnavailable } from "../../errors.ts";
import { corruptLetter, type OffsetRange, rangesOf } from "../lost-offsets.ts";
import type { Letters } from "./letters.ts";
import { prelude, script } from "./script.ts";
import type { StreamCalls } from "./stream-calls.ts";

/** Two nodes that meet the same offsets in parts of their own. */
const maxTries = 8;

/** What was read in one history says nothing of another: its offsets may be sound there. */
const ofHistory = `
local isAsRead = (string.match(ARGV[1], '^.-%.%d+%.=(.*)$') or ARGV[1]) == ARGV[3]`;

/** ARGV[3…]: epoch, ranges (from and upto by turns). Those of their offsets that are not counted yet. */
const freshScript = script(`${prelude}${ofHistory}
local out = {'fresh'}
if not isAsRead then return out end
for at = 4, #ARGV, 2 do
  for offset = math.max(tonumber(ARGV[at]), first), math.min(tonumber(ARGV[at + 1]), head) do
    if not redis.call('ZSCORE', p .. 'lost', int(offset)) then out[#out + 1] = int(offset) end
  end
end
return out`);

/** ARGV[3…]: epoch, from, upto, place, letter. All of it or, where one is counted already or is no more, `changed`. */
const buryScript = script(`${prelude}${ofHistory}
local from, upto = tonumber(ARGV[4]), tonumber(ARGV[5])
if not isAsRead or from < first or upto > head then return {'changed'} end
if redis.call('ZCOUNT', p .. 'lost', ARGV[4], ARGV[5]) > 0 then return {'changed'} end
for offset = from, upto do redis.call('ZADD', p .. 'lost', int(offset), int(offset)) end
redis.call('HSET', p .. 'l', ARGV[6], ARGV[7])
redis.call('ZADD', p .. 'lz', ARGV[6], ARGV[6])
return {'buried'}`);

/** ARGV[3…]: from, upto. */
const countScript = script(`${prelude}
return {'count', redis.call('ZCOUNT', p .. 'lost', ARGV[3], ARGV[4])}`);

/** What a read found. */
interface Found {
  readonly epoch: Epoch;
  readonly corrupt?: readonly Offset[] | undefined;
}

export class Losses {
  readonly #streams: StreamCalls;
  readonly #letters: Letters;
  readonly #now: () => number;

  constructor(streams: StreamCalls, letters: Letters, now: () => number) {
    this.#streams = streams;
    this.#letters = letters;
    this.#now = now;
  }

  /** A server that takes no writes must not stop a read: the next one finds them again. */
  async bury(stream: StreamKey, { epoch, corrupt = [] }: Found): Promise<void> {
    try {
      for (let tries = 0, left = corrupt.length; tries < maxTries && left > 0; tries += 1)
        left = await this.#buryFresh(stream, epoch, rangesOf(corrupt));
    } catch (error) {
      if (!(error instanceof LogUnavailable || error instanceof LogFull)) throw error;
    }
  }

  /** How many of a range are counted. */
  async count(stream: StreamKey, { from, upto }: OffsetRange): Promise<number> {
    const { words } = await this.#streams.read(stream, countScript, String(from), String(upto));
    return Number(words[1]);
  }

  /** How many are to be looked at again. */
  async #buryFresh(stream: StreamKey, epoch: Epoch, ranges: readonly OffsetRange[]): Promise<number> {
    const asked = ranges.flatMap(({ from, upto }) => [String(from), String(upto)]);
    const { words } = await this.#streams.read(stream, freshScript, epoch, ...asked);
    let left = 0;
    for (const range of rangesOf(words.slice(1).map(Number)))
      if (!(await this.#buryRange(stream, epoch, range))) left += range.upto + 1 - range.from;
    return left;
  }

  async #buryRange(stream: StreamKey, epoch: Epoch, range: OffsetRange): Promise<boolean> {
    const letter = corruptLetter(stream, range, new Date(this.#now()).toISOString());
    const place = await this.#letters.place(stream, letter.time);
    const args = [epoch, String(range.from), String(range.upto), place, JSON.stringify(letter)];
    const { words } = await this.#streams.write(stream, buryScript, ...args);
    const isBuried = words[0] === "buried";
    if (!isBuried) await this.#letters.replaced(place);
    return isBuried;
  }
}
