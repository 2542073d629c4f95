/** A Lua script, named by its digest as the server names it. Each is one step: the server runs nothing else meanwhile. */
import { createHash } from "node:crypto";

export interface Script {
  readonly text: string;
  readonly sha: string;
}

/** Of every script, for a new connection to load. */
export const scripts: Script[] = [];

export function script(text: string): Script {
  const made = { text, sha: createHash("sha1").update(text).digest("hex") };
  scripts.push(made);
  return made;
}

/**
 * What begins every script on a stream. KEYS[1] is its hash; its other keys begin alike, so they are in the same slot.
 *
 * ARGV[1]: the history that the connection was settled on. A stream that has seen another gets it as its epoch, and
 * fences that lie beyond all that were handed out in the one that is gone (L14). A connection that was settled before the
 * stream's is `stale`. ARGV[2]: how far this process knows the stream to go in this history: less is `lost`.
 */
export const prelude = `
local function int(n) return string.format('%.0f', n) end
local p = string.sub(KEYS[1], 1, -5)
local epoch, first, head, acked, dead = unpack(redis.call('HMGET', KEYS[1], 'epoch', 'first', 'head', 'acked', 'dead'))
if epoch and epoch ~= ARGV[1] then
  local node, gen = string.match(epoch, '^(.-)%.(%d+)%.')
  local ownNode, ownGen = string.match(ARGV[1], '^(.-)%.(%d+)%.')
  if node == ownNode and tonumber(gen) > tonumber(ownGen) then return {'stale'} end
  for _, run in ipairs(redis.call('ZRANGE', p .. 'living', 0, -1)) do
    redis.call('HINCRBY', p .. 'r:' .. run, 'fence', '4294967296')
  end
  redis.call('HSET', KEYS[1], 'epoch', ARGV[1])
end
first, head, acked, dead = tonumber(first or '1'), tonumber(head or '0'), tonumber(acked or '0'), tonumber(dead or '0')
if tonumber(ARGV[2]) > head then return {'lost'} end
local function record(run)
  local found = redis.call('HMGET', p .. 'r:' .. run, 'create', 'fence', 'seq', 'first', 'last', 'ended', 'place', 'entry', 'nonce', 'endedAt')
  if not found[1] then return false end
  for at = 1, 10 do found[at] = found[at] or '' end
  return found
end
`;

/** Walks a stream's records in order: raw ones from the stream, merged ones from their set. */
export const walk = `
local function walker(after, pageSize)
  local start, isDone, page, at = int(after + 1), false, {}, 1
  local merged, mergedAt = redis.call('ZRANGEBYSCORE', p .. 'm', int(after + 1), '+inf', 'WITHSCORES', 'LIMIT', 0, pageSize), 1
  return function()
    if at > #page and not isDone then
      page, at = redis.call('XRANGE', p .. 'x', start, '+', 'COUNT', pageSize), 1
      isDone = #page < pageSize
      if #page > 0 then start = '(' .. page[#page][1] end
    end
    local raw = page[at]
    local rawOffset = raw and tonumber(string.match(raw[1], '^%d+'))
    if mergedAt > #merged and #merged > 0 then
      merged, mergedAt = redis.call('ZRANGEBYSCORE', p .. 'm', '(' .. merged[#merged], '+inf', 'WITHSCORES', 'LIMIT', 0, pageSize), 1
    end
    local mergedOffset = merged[mergedAt + 1] and tonumber(merged[mergedAt + 1])
    if mergedOffset and (not raw or mergedOffset < rawOffset) then
      local text = merged[mergedAt]
      mergedAt = mergedAt + 2
      local cover, o, time, e = string.match(text, '^(%d+)\\n(%d+)\\n([^\\n]*)\\n(.*)$')
      return mergedOffset, tonumber(cover) or 1, o or '', time or '', e or ''
    end
    if not raw then return nil end
    at = at + 1
    local f = raw[2]
    return rawOffset, 1, f[2] or '', f[4] or '', f[6] or ''
  end
end
`;
