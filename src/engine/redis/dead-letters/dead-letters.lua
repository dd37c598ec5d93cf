-- The dead letters of one project, on keys of one hash slot. Every script of them begins with this file.
--
-- KEYS  1 totals   hash: `last` the number of the newest letter, `bytes` of all that are listed, `dropped`
--                  how many there was no room for, `floor` the newest of these, `calls` above all numbers of
--                  calls that were given out
--       2 index    zset: the HEAD of each letter that is listed, by number
--       3 letters  hash: number, its HEAD and on the next lines the letter as it lay in the outbox
--       4 marks    hash: "CLIENT EPOCH" of a mailbox, "FIRST LAST INSTANCE SINCE_MS": its letters up to LAST
--                  are stored, those from FIRST on by INSTANCE
--       5 claims   hash: a recipient whose letters are being requeued, "BASE SINCE_MS NUMBER..." in order
-- ARGV  1 what holds for each call: "NOW_MS LETTERS_MAX BYTES_MAX"
--
-- HEAD is "NUMBER REASON BYTES ID RECIPIENT". A claimed letter is in no index and in no total, and keeps its
-- place in `letters`. Times are milliseconds since the epoch. All numbers stay under 10^14.

local call = redis.call
local TOTALS, INDEX, LETTERS, MARKS, CLAIMS = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local CHUNK = 128

local now, letters_max, bytes_max = string.match(ARGV[1], '^(%d+) (%d+) (%d+)$')
now, letters_max, bytes_max = tonumber(now), tonumber(letters_max), tonumber(bytes_max)

-- A script that frees memory must be let through where there is none left: it begins with this.
local function begin_freeing() call('ZREM', INDEX, '') end

-- @returns number, reason, bytes, id, recipient
local function parse(head)
  local number, reason, bytes, id, recipient = string.match(head, '^(%d+) (%S+) (%d+) (%S+) (.+)$')
  return tonumber(number), reason, tonumber(bytes), id, recipient
end

local function head_of(letter) return string.match(letter, '^[^\n]+') end

-- Removes the oldest letters until the rest is within the bounds. @returns the bytes of what it has removed
local function trim()
  local count, bytes = call('ZCARD', INDEX), tonumber(call('HGET', TOTALS, 'bytes')) or 0
  local before, dropped, floor = bytes, 0, 0
  while count > 0 and (count > letters_max or bytes > bytes_max) do
    local heads, numbers = {}, {}
    for _, head in ipairs(call('ZRANGE', INDEX, 0, CHUNK - 1)) do
      if count <= letters_max and bytes <= bytes_max then break end
      local number, _, size = parse(head)
      heads[#heads + 1], numbers[#numbers + 1] = head, number
      count, bytes, dropped, floor = count - 1, bytes - size, dropped + 1, number
    end
    call('ZREM', INDEX, unpack(heads))
    call('HDEL', LETTERS, unpack(numbers))
  end
  if dropped > 0 then
    call('HSET', TOTALS, 'bytes', bytes, 'floor', floor)
    call('HINCRBY', TOTALS, 'dropped', dropped)
  end
  return before - bytes
end

-- A filter as arguments: a reason and a recipient ('' is any), how many ids are wanted ('-': all), how many
-- are not, and these ids. @returns it, and where the next arguments begin
local function read_filter(at)
  local filter = { reason = ARGV[at], recipient = ARGV[at + 1], except = {} }
  local wanted, unwanted = tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  at = at + 4
  if wanted then
    filter.ids = {}
    for i = at, at + wanted - 1 do filter.ids[ARGV[i]] = true end
    at = at + wanted
  end
  for i = at, at + unwanted - 1 do filter.except[ARGV[i]] = true end
  return filter, at + unwanted
end

local function matches(filter, reason, id, recipient)
  return (filter.reason == '' or filter.reason == reason)
    and (filter.recipient == '' or filter.recipient == recipient)
    and (not filter.ids or filter.ids[id]) and not filter.except[id]
end
