/**
 * The indexes: what is looked up without knowing the user. Each is written before the append that makes it true and
 * checked against the stream when it is read, so that an entry whose append never came says nothing.
 * KEYS[1] begins the names of the index's keys, as with streams.
 */
import { script } from "./script.ts";

const begin = `
local p = string.sub(KEYS[1], 1, -5)
local function int(n) return string.format('%.0f', n) end
local function ms()
  local now = redis.call('TIME')
  return int(tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000))
end`;

/**
 * A run's id. ARGV: stream, drawn nonce. The first to announce a run has its id; the answer is the stream that it is
 * announced in, under which nonce.
 */
export const announceScript = script(`
local known = redis.call('HMGET', KEYS[1], 'stream', 'nonce')
if known[1] then return {'announced', known[1], known[2]} end
redis.call('HSET', KEYS[1], 'stream', ARGV[1], 'nonce', ARGV[2])
return {'announced', ARGV[1], ARGV[2]}`);

/** Where a run is announced; nothing when it is not. */
export const announcedScript = script(`
local stream = redis.call('HGET', KEYS[1], 'stream')
return stream and {stream} or {}`);

/** ARGV: the nonce that is expected, stream, drawn nonce. Takes over the id of a run that was barred. */
export const takeOverScript = script(`
local nonce = redis.call('HGET', KEYS[1], 'nonce')
if nonce and nonce ~= ARGV[1] then return {'changed'} end
redis.call('HSET', KEYS[1], 'stream', ARGV[2], 'nonce', ARGV[3])
return {'announced'}`);

/** ARGV: nonce. Forgets a run that is gone. */
export const forgetScript = script(`
if redis.call('HGET', KEYS[1], 'nonce') == ARGV[1] then redis.call('DEL', KEYS[1]) end
return {'forgotten'}`);

/** ARGV: stream. Lists it, once and for all, behind all that are listed. */
export const listScript = script(`${begin}
if not redis.call('ZSCORE', p .. 'all', ARGV[1]) then
  redis.call('ZADD', p .. 'all', redis.call('HINCRBY', KEYS[1], 'last', 1), ARGV[1])
end
return {'listed'}`);

/** ARGV: place to go on behind, most. */
export const listedScript = script(`${begin}
return redis.call('ZRANGEBYSCORE', p .. 'all', '(' .. ARGV[1], '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[2])`);

/** ARGV: what it is of. Gives the next place of an index, with the entry that stands there. */
export const placeScript = script(`${begin}
local out = {}
for at = 1, #ARGV do
  local place = int(redis.call('HINCRBY', KEYS[1], 'last', 1))
  local entry = place .. '\\n' .. ms() .. '\\n' .. ARGV[at]
  redis.call('ZADD', p .. 'all', place, entry)
  out[#out + 1] = place
  out[#out + 1] = entry
end
return out`);

/** The same for runs, which live at first. ARGV: what it is of. */
export const placeRunScript = script(`${begin}
local place = int(redis.call('HINCRBY', KEYS[1], 'last', 1))
local entry = place .. '\\n' .. ms() .. '\\n' .. ARGV[1]
redis.call('ZADD', p .. 'all', place, entry)
redis.call('ZADD', p .. 'living', place, entry)
return {place, entry}`);

/** ARGV: entry, when it ended (ms, text). It lives no more, and may be compacted. */
export const endRunScript = script(`${begin}
if redis.call('ZREM', p .. 'living', ARGV[1]) == 1 then redis.call('ZADD', p .. 'ended', ARGV[2], ARGV[1]) end
return {'ended'}`);

/** ARGV: set, before ("" for the newest), most. Newest first. */
export const newestScript = script(`${begin}
return redis.call('ZREVRANGEBYSCORE', p .. ARGV[1], ARGV[2] == '' and '+inf' or '(' .. ARGV[2], '-inf', 'LIMIT', 0, ARGV[3])`);

/** ARGV: set, after, upto, most. Oldest first. */
export const oldestScript = script(`${begin}
return redis.call('ZRANGEBYSCORE', p .. ARGV[1], '(' .. ARGV[2], ARGV[3], 'LIMIT', 0, ARGV[4])`);

/** ARGV: set, entries. */
export const removeScript = script(`${begin}
for at = 2, #ARGV do redis.call('ZREM', p .. ARGV[1], ARGV[at]) end
return {'removed'}`);

/** ARGV: set, places. */
export const removePlacesScript = script(`${begin}
for at = 2, #ARGV do redis.call('ZREMRANGEBYSCORE', p .. ARGV[1], ARGV[at], ARGV[at]) end
return {'removed'}`);

/** ARGV: set, score, entry. */
export const addScript = script(`${begin}
redis.call('ZADD', p .. ARGV[1], ARGV[2], ARGV[3])
return {'added'}`);

/** ARGV: key, value, "1" to remove it, expected version or "". */
export const putScript = script(`${begin}
local version = string.match(redis.call('HGET', p .. 'values', ARGV[1]) or '', '^(%d+)\\n') or '0'
if ARGV[4] ~= '' and ARGV[4] ~= version then return {'version_conflict', version} end
if ARGV[3] == '1' then
  redis.call('HDEL', p .. 'values', ARGV[1])
  redis.call('ZREM', p .. 'names', ARGV[1])
  return {'written', '0'}
end
local next = int(tonumber(version) + 1)
redis.call('HSET', p .. 'values', ARGV[1], next .. '\\n' .. ARGV[2])
redis.call('ZADD', p .. 'names', 0, ARGV[1])
return {'written', next}`);

/** ARGV: keys. The value of each, "" where there is none. */
export const namedScript = script(`${begin}
local out = {}
for at = 1, #ARGV do out[at] = string.match(redis.call('HGET', p .. 'values', ARGV[at]) or '', '^%d+\\n(.*)$') or '' end
return out`);

/** ARGV: prefix, where to begin (as ZRANGEBYLEX has it), most. Key, version and value by turns. */
export const documentsScript = script(`${begin}
local prefix, out = ARGV[1], {}
for _, name in ipairs(redis.call('ZRANGEBYLEX', p .. 'names', ARGV[2], '+', 'LIMIT', 0, ARGV[3])) do
  if string.sub(name, 1, #prefix) ~= prefix then return out end
  local version, value = string.match(redis.call('HGET', p .. 'values', name) or '', '^(%d+)\\n(.*)$')
  if version then
    out[#out + 1] = name
    out[#out + 1] = version
    out[#out + 1] = value
  end
end
return out`);
