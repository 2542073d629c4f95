/**
 * What is asked of one stream in one step. Every script answers with a word first; numbers are given as text, so that
 * none is rounded. See `keys` for where things stand, `script` for how each begins.
 */
import { prelude, script, walk } from "./script.ts";

/**
 * ARGV[3…]: mode (`n` notice, `r` run, `e` run that ends only without living
 * children, `c` creation), "1" when the stream is listed, bell, writer · with a run: run key,
 * fence or "", expected seq, end or "", count of approvals, those · with a creation: nonce, place, index entry, record, parent that must live or "" ·
 * then for each event: time, record, flags (`k` has a key, `b` gets a row of the outbox), key and digest, place and row.
 * In the order of `append-rules`: run · fence · keys · ended · seq · children.
 */
export const appendScript = script(`${prelude}
local mode, isListed, bell, writer = ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local at, asksChildren = 6, mode == 'e'
if asksChildren then mode = 'r' end
local function take() at = at + 1; return ARGV[at] end
local run, r, keys, seq, fence, ended, expected, asFence = '', '', p .. 'k:', 0, '0', '', 0, ''
local approvals, nonce, place, entry, create = {}, '', '', '', ''
if mode ~= 'n' then
  run, asFence, expected, ended = take(), take(), tonumber(take()), take()
  for n = 1, tonumber(take()) do approvals[n] = take() end
  r, keys = p .. 'r:' .. run, p .. 'k:' .. run
end
if mode == 'c' then
  local parent
  nonce, place, entry, create, parent = take(), take(), take(), take(), take()
  local found = record(run)
  if found then return {'run_exists', unpack(found)} end
  if redis.call('GET', p .. 'bar:' .. run) == nonce then return {'barred'} end
  if parent ~= '' then
    local life = redis.call('HMGET', p .. 'r:' .. parent, 'fence', 'ended')
    if not life[1] or life[2] then return {'no_parent'} end
  end
  fence = '1'
end
local was
if mode == 'r' then
  was = redis.call('HMGET', r, 'fence', 'seq', 'ended')
  if not was[1] then return {'no_run'} end
  fence, seq = was[1], tonumber(was[2])
  if asFence ~= '' and asFence ~= fence then return {'fenced', fence} end
end
local events = {}
while at < #ARGV do
  local event = {time = take(), text = take(), flags = take()}
  if string.find(event.flags, 'k', 1, true) then event.key, event.digest = take(), take() end
  if string.find(event.flags, 'b', 1, true) then event.place, event.row = take(), take() end
  events[#events + 1] = event
  if event.key and mode ~= 'c' then
    local known = redis.call('HGET', keys, event.key)
    if known then return {'key_known', event.key, known} end
  end
end
if was then
  if was[3] then return {'run_ended', was[3]} end
  if seq ~= expected then return {'seq_conflict', int(seq)} end
  -- A run id has no slash and nothing that JSON would escape.
  local named = asksChildren and '"parentRunId":"' .. string.match(run, '^[^/]*') .. '"'
  for _, other in ipairs(named and redis.call('ZRANGE', p .. 'living', 0, -1) or {}) do
    local made = redis.call('HGET', p .. 'r:' .. other, 'create')
    if made and string.find(made, named, 1, true) then return {'child_lives'} end
  end
end
if not epoch then
  if isListed ~= '1' then return {'unlisted'} end
  redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'first', '1', 'acked', '0', 'dead', '0')
end
local firstOffset, stream, offsets = head + 1, p .. 'x', {}
for n, event in ipairs(events) do
  head, seq = head + 1, seq + 1
  local offset = int(head)
  redis.call('XADD', stream, offset .. '-0', 'o', offset, 't', event.time, 'e', event.text)
  offsets[#offsets + 1] = offset
  -- Together, as many as fit onto the stack.
  if mode ~= 'n' and (#offsets == 1000 or n == #events) then
    redis.call('RPUSH', p .. 'o:' .. run, unpack(offsets))
    offsets = {}
  end
  if event.key then
    redis.call('HSET', keys, event.key, (mode == 'n' and '0' or int(seq)) .. ':' .. offset .. ':' .. event.digest)
    if mode == 'n' then redis.call('ZADD', p .. 'kz', offset, event.key) end
  end
  if event.place then
    redis.call('HSET', p .. 'ob', offset, event.place .. '\\n1\\nwaiting\\n' .. event.row .. '\\n')
    redis.call('ZADD', p .. 'obz', offset, offset)
    redis.call('ZADD', p .. 'obp', event.place, offset)
  end
end
redis.call('HSET', KEYS[1], 'head', int(head))
if mode == 'n' then seq = 0 end
if mode == 'c' then
  redis.call('HSET', r, 'create', create, 'fence', '1', 'first', int(firstOffset), 'place', place, 'entry', entry, 'nonce', nonce)
  redis.call('ZADD', p .. 'runs', int(firstOffset), run)
  redis.call('ZADD', p .. 'living', int(firstOffset), run)
end
if mode ~= 'n' then
  redis.call('HSET', r, 'seq', int(seq), 'last', int(head))
  if ended ~= '' then
    redis.call('HSET', r, 'ended', ended, 'endedAt', events[#events].time)
    redis.call('ZREM', p .. 'living', run)
  end
  for _, id in ipairs(approvals) do redis.call('SADD', p .. 'a:' .. run, id) end
end
-- A bell that may not be rung is no reason to fail what is written.
redis.pcall('SPUBLISH', bell, writer .. ' ' .. int(head) .. ' ' .. ARGV[1])
local record = mode == 'n' and {} or redis.call('HMGET', r, 'place', 'entry')
return {'appended', int(head), int(seq), fence, record[1] or '', record[2] or ''}`);

export const positionScript = script(`${prelude}
return {'position', int(first), int(head)}`);

/** ARGV[3…]: after, most events, most bytes. Answers with first, head, whether there is more ("1"), records. */
export const readScript = script(`${prelude}${walk}
local after, maxEvents, maxBytes = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local out, count, bytes = {'slice', int(first), int(head), '0'}, 0, 0
local next = walker(after, math.min(maxEvents, 64))
while true do
  local offset, cover, said, time, text = next()
  if not offset then return out end
  bytes = bytes + #text
  if count >= maxEvents or (bytes > maxBytes and count > 0) then
    out[4] = '1'
    return out
  end
  count = count + 1
  local size = #out
  out[size + 1], out[size + 2], out[size + 3], out[size + 4], out[size + 5] = int(offset), int(cover), said, time, text
end`);

/** ARGV[3…]: run key, after seq, most events, most bytes. Answers with whether there is more ("1"), records; `no_run`. */
export const readRunScript = script(`${prelude}
local run, from, maxEvents, maxBytes = ARGV[3], math.max(tonumber(ARGV[4]), 0), tonumber(ARGV[5]), tonumber(ARGV[6])
local out, count, bytes, seen = {'run', '0'}, 0, 0, 0
if redis.call('EXISTS', p .. 'r:' .. run) == 0 then return {'no_run'} end
while true do
  local offsets = redis.call('LRANGE', p .. 'o:' .. run, int(from), int(from + 63))
  if #offsets == 0 then return out end
  from = from + #offsets
  -- What stands side by side is fetched at once: most of a run does.
  local raw, at = {}, 1
  while at <= #offsets do
    local last = at
    while offsets[last + 1] and tonumber(offsets[last + 1]) == tonumber(offsets[last]) + 1 do last = last + 1 end
    for _, entry in ipairs(redis.call('XRANGE', p .. 'x', offsets[at], offsets[last])) do
      raw[string.match(entry[1], '^%d+')] = entry[2]
    end
    at = last + 1
  end
  for _, offset in ipairs(offsets) do
    if tonumber(offset) > seen then
      local cover, said, time, text
      local place = offset
      local found = raw[offset]
      if found then
        cover, said, time, text = '1', found[2] or '', found[4] or '', found[6] or ''
      else
        local merged = redis.call('ZRANGEBYSCORE', p .. 'm', offset, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
        if merged[1] then
          cover, said, time, text = string.match(merged[1], '^(%d+)\\n(%d+)\\n([^\\n]*)\\n(.*)$')
          if cover and tonumber(merged[2]) - tonumber(cover) < tonumber(offset) then
            place = int(tonumber(merged[2]))
            seen = tonumber(merged[2])
          else
            text = nil
          end
        end
      end
      if text then
        bytes = bytes + #text
        if count >= maxEvents or (bytes > maxBytes and count > 0) then
          out[2] = '1'
          return out
        end
        count = count + 1
        local size = #out
        out[size + 1], out[size + 2], out[size + 3], out[size + 4], out[size + 5] = place, cover, said, time, text
      end
    end
  end
end`);

const flat = `
local function add(out, found)
  local size = #out
  for n = 1, 10 do out[size + n] = found[n] end
end`;

export const livingScript = script(`${prelude}${flat}
local out = {'living', int(first), int(head)}
for _, run in ipairs(redis.call('ZRANGE', p .. 'living', 0, -1)) do
  local found = record(run)
  if found then add(out, found) end
end
return out`);

/** ARGV[3]: run key. */
export const recordScript = script(`${prelude}
local found = record(ARGV[3])
if not found then return {'no_run'} end
return {'run', unpack(found)}`);

/** ARGV[3…]: before ("" for the newest), most, living ("1", "0" or ""), tenant or "". */
export const runsScript = script(`${prelude}${flat}
local before, most, living, tenant = ARGV[3], tonumber(ARGV[4]), ARGV[5], ARGV[6]
local out, top = {'runs'}, before == '' and '+inf' or '(' .. before
while true do
  local page = redis.call('ZREVRANGEBYSCORE', p .. 'runs', top, '-inf', 'WITHSCORES', 'LIMIT', 0, 64)
  for n = 1, #page, 2 do
    local run = page[n]
    if tenant == '' or string.sub(run, string.find(run, '/', 1, true) + 1) == tenant then
      local found = record(run)
      if found and (living == '' or (found[6] == '') == (living == '1')) then
        add(out, found)
        most = most - 1
        if most == 0 then return out end
      end
    end
  end
  if #page < 128 then return out end
  top = '(' .. page[#page]
end`);

/** ARGV[3]: run key or "" for notices; ARGV[4…]: names. */
export const keysScript = script(`${prelude}
local out = {'keys'}
if ARGV[3] ~= '' and redis.call('EXISTS', p .. 'r:' .. ARGV[3]) == 0 then return {'no_run'} end
for at = 4, #ARGV do out[#out + 1] = redis.call('HGET', p .. 'k:' .. ARGV[3], ARGV[at]) or '' end
return out`);

/** ARGV[3…]: run key, approval. Whether the run opened it. */
export const openedScript = script(`${prelude}
if redis.call('SISMEMBER', p .. 'a:' .. ARGV[3], ARGV[4]) == 0 then return {'no_run'} end
local found = record(ARGV[3])
if not found then return {'no_run'} end
return {'run', unpack(found)}`);

/** ARGV[3]: run key. */
export const claimScript = script(`${prelude}
local r = p .. 'r:' .. ARGV[3]
local found = redis.call('HMGET', r, 'seq', 'ended')
if not found[1] or found[2] then return {'no_run'} end
redis.call('HINCRBY', r, 'fence', 1)
return {'claimed', redis.call('HGET', r, 'fence'), found[1]}`);

/** ARGV[3…]: run key, nonce. A run that is announced under it can come no more; a run that is there is given back. */
export const barScript = script(`${prelude}
local found = record(ARGV[3])
if found then return {'run', unpack(found)} end
redis.call('SET', p .. 'bar:' .. ARGV[3], ARGV[4], 'PX', '86400000')
return {'barred'}`);

/** ARGV[3…]: device and offset by turns. Answers with the places of the outbox that are done. */
export const cursorsScript = script(`${prelude}
local top, out = acked, {'saved'}
for at = 3, #ARGV, 2 do
  local offset = tonumber(ARGV[at + 1])
  if epoch and offset <= head then
    if offset > tonumber(redis.call('HGET', p .. 'cur', ARGV[at]) or '0') then
      redis.call('HSET', p .. 'cur', ARGV[at], int(offset))
    end
    top = math.max(top, offset)
  end
end
if not epoch or top == 0 then return out end
if top > acked then redis.call('HSET', KEYS[1], 'acked', int(top)) end
for _, offset in ipairs(redis.call('ZRANGEBYSCORE', p .. 'obz', '-inf', int(top))) do
  local place, state = string.match(redis.call('HGET', p .. 'ob', offset) or '', '^(%d+)\\n%d+\\n(%a+)\\n')
  if state == 'waiting' or state == 'exhausted' then
    redis.call('HDEL', p .. 'ob', offset)
    redis.call('ZREM', p .. 'obz', offset)
    redis.call('ZREM', p .. 'obp', offset)
    out[#out + 1] = place
  end
end
return out`);

/** ARGV[3]: device. */
export const cursorScript = script(`${prelude}
return {'cursor', redis.call('HGET', p .. 'cur', ARGV[3]) or '0'}`);
