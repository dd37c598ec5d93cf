-- Writes or deletes a record.
--
-- KEYS  1 values  hash: the id of a record, its version and on the next line its value, a JSON text
--       2 ids     zset with the score 0: the ids, for lists
--       3 meta    hash: `deleted`, the highest version that a deletion has taken here; `call:INSTANCE`, the last
--                 call of an instance and its answer
-- ARGV  1 who calls: "INSTANCE NUMBER"; the number rises with each call of the instance
--       2 id
--       3 the version that is replaced, 0 for none; '' any
--       4 "=" and the value; '' deletes
-- RETURNS  '1' if it was done, and the version of the record; 'stale' for a call that was given up
local call = redis.call
local VALUES, IDS, META = KEYS[1], KEYS[2], KEYS[3]
local instance, number = string.match(ARGV[1], '^(%S+) (%d+)$')
local id, expected, value = ARGV[2], ARGV[3], ARGV[4]

local before = call('HGET', META, 'call:' .. instance)
if before then
  local last, done, version = string.match(before, '^(%d+) (%d) (%d+)$')
  if last == number then return { tonumber(done), tonumber(version) } end
  if tonumber(last) > tonumber(number) then return 'stale' end
end

local function answer(done, version)
  call('HSET', META, 'call:' .. instance, number .. ' ' .. done .. ' ' .. version)
  return { done, version }
end

local record = call('HGET', VALUES, id)
local version = record and tonumber(string.match(record, '^%d+')) or 0
if expected ~= '' and tonumber(expected) ~= version then return answer(0, version) end
local deleted = tonumber(call('HGET', META, 'deleted') or 0)
if value ~= '' then
  version = version > 0 and version + 1 or deleted + 1
  call('HSET', VALUES, id, version .. '\n' .. string.sub(value, 2))
  call('ZADD', IDS, 0, id)
elseif version > 0 then
  version = version + 1
  call('HDEL', VALUES, id)
  call('ZREM', IDS, id)
  if version > deleted then call('HSET', META, 'deleted', version) end
end
return answer(1, version)
