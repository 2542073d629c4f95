/** Counts what was accepted, in one stream or in all: portions of one script each, so that the server does what others wait for. */
import type { StreamKey } from "../../../protocol/ids.ts";
import type { LedgerCount } from "../event-log.ts";
import type { IndexCalls } from "./index-calls.ts";
import { listedScript } from "./index-scripts.ts";
import { prelude, script, walk } from "./script.ts";
import type { StreamCalls } from "./stream-calls.ts";

const listedStreams = 256;

/** ARGV[3]: the offset to go on after. Counts what is there and not lost; answers with where it stopped, "" at the end. */
const ledgerScript = script(`${prelude}${walk}
local stored, seen, count = 0, 0, 0
local died = redis.call('ZCARD', p .. 'lost')
local function lost(from, upto)
  return died == 0 and 0 or redis.call('ZCOUNT', p .. 'lost', int(from), int(upto))
end
local next = walker(math.max(tonumber(ARGV[3]), first - 1), 256)
while true do
  local offset, cover = next()
  if not offset or offset > head then return {'ledger', int(head), int(first - 1 - dead), int(dead + died), int(seen), int(stored), ''} end
  local before = offset - cover
  local ackedOfThem = math.min(math.max(acked - before, 0), cover)
  seen = seen + ackedOfThem - lost(before + 1, before + ackedOfThem)
  stored, count = stored + cover - ackedOfThem - lost(before + ackedOfThem + 1, offset), count + 1
  if count == 4096 then
    return {'ledger', int(head), int(first - 1 - dead), int(dead + died), int(seen), int(stored), int(offset)}
  end
end`);

export async function ledgerOf(
  index: IndexCalls,
  streams: StreamCalls,
  only: StreamKey | undefined,
): Promise<LedgerCount> {
  const total = { accepted: 0, acked: 0, stored: 0, deadLettered: 0 };
  const count = async (stream: StreamKey): Promise<void> => {
    for (let after = "0", isFirst = true; isFirst || after !== ""; isFirst = false) {
      const { words } = await streams.read(stream, ledgerScript, after);
      const [accepted = 0, ackedBefore = 0, dead = 0, seen = 0, stored = 0] = words.slice(1).map(Number);
      if (isFirst) total.accepted += accepted;
      if (isFirst) total.acked += ackedBefore;
      if (isFirst) total.deadLettered += dead;
      total.acked += seen;
      total.stored += stored;
      after = words[6] ?? "";
    }
  };
  if (only !== undefined) await count(only);
  for (let place: string | undefined = only === undefined ? "0" : undefined; place !== undefined; ) {
    const page: readonly string[] = await index.read(index.keys.streams, listedScript, place, String(listedStreams));
    await Promise.all(page.filter((_, at) => at % 2 === 0).map((stream) => count(stream as StreamKey)));
    place = page.at(-1);
  }
  return total;
}
