/**
 * What the Redis spool asks the server to do in one step. Every call names its owner and counts itself: a call that lay in
 * a socket while the server stood still comes too late to harm what was done since, and so does one of a former owner.
 *
 * KEYS: the stream, and the hash that guards it. All scripts answer with a word first.
 */

/** ARGV: owner (drawn). Takes the spool over for good. */
export const takeScript = `
redis.call('HSET', KEYS[2], 'owner', ARGV[1], 'calls', 0)
return {'taken'}`;

const guard = `
local owner, calls = unpack(redis.call('HMGET', KEYS[2], 'owner', 'calls'))
if owner == false then return {'lost'} end
if owner ~= ARGV[1] then return {'foreign'} end
if tonumber(ARGV[2]) <= tonumber(calls) then return {'late'} end`;

/**
 * ARGV: owner, call, newest id that was acknowledged ("" for none), count of texts that are acknowledged, texts.
 * What stands behind the newest acknowledged id is of a call that failed. Answers with the ids.
 */
export const appendScript = `${guard}
local acked = ARGV[3]
local start = '-'
if acked ~= '' then
  if #redis.call('XRANGE', KEYS[1], acked, acked) == 0 then return {'lost'} end
  start = '(' .. acked
end
for _, entry in ipairs(redis.call('XRANGE', KEYS[1], start, '+')) do redis.call('XDEL', KEYS[1], entry[1]) end
if redis.call('XLEN', KEYS[1]) ~= tonumber(ARGV[4]) then return {'lost'} end
redis.call('HSET', KEYS[2], 'calls', ARGV[2])
local answer = {'appended'}
for at = 5, #ARGV do answer[#answer + 1] = redis.call('XADD', KEYS[1], '*', 'e', ARGV[at]) end
return answer`;

/** ARGV: owner, call, ids. */
export const removeScript = `${guard}
redis.call('HSET', KEYS[2], 'calls', ARGV[2])
for at = 3, #ARGV do redis.call('XDEL', KEYS[1], ARGV[at]) end
if redis.call('XLEN', KEYS[1]) == 0 then redis.call('DEL', KEYS[1]) end
return {'removed'}`;
