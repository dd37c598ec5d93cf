-- One mailbox: what `core/mailbox/` does, on keys of one hash slot. Every script begins with this file.
--
-- KEYS  1 state     hash: the fields of `load` below; `call:INSTANCE` the last call of an instance, when it was
--                   made, and its answer; and those of the session that holds the address
--       2 messages  hash: REF the message, "RANK BYTES EXPIRES_MS REPLY TTL_MS" and its JSON on the next line;
--                   nREF its note, once it was delivered: "ATTEMPTS FAILURES CURSOR RANK BYTES EXPIRES_MS ID
--                   SENDER REPLY"
--       3 pending   zset: REF by (3 - rank) * 2^40 + offset
--       4 leased    zset: REF by the end of its lease or its expiry, "d" and REF by the end of its delay
--       5 history   zset: REF of an acknowledged message by offset
--       6 outbox    list: what has died and is not buried yet, "NUMBER REASON OFFSET ATTEMPTS DEAD_MS EPOCH",
--                   and the message on the next lines
--       7 keys      the idempotency keys that its client used as a sender; only some scripts look at them
-- ARGV  1 what holds for each call: "NOW_MS GENERATION MESSAGES_MAX BYTES_MAX HISTORY_MAX ATTEMPTS_MAX
--         LEASE_MS DROPS_OLDEST"
--       2 the channel, and the command that publishes on it: "PUBLISH channel"
--       3 who calls: "INSTANCE NUMBER"; the number rises with each call of the instance for this mailbox
-- RETURNS  a text where the call did nothing: 'unknown' without a mailbox, 'stale' for a call that was given
--          up, 'replaced' or 'closed' for a session that no longer holds the address. Else an array that
--          begins with four: when the mailbox is next due; how many are in the outbox; what was published;
--          by how many bytes what is stored has grown. Each script says what follows.
--
-- What is published is the instance and the epoch in one line, then one line for each message that has become
-- pending: "OFFSET CHANGES AGAIN RANK ID SENDER REPLY".
--
-- REF is offset * 4 + rank, so that refs sort as offsets do. A REPLY of "-" is none. Times are milliseconds
-- since the epoch. All numbers stay under 10^14: Lua writes larger ones with an exponent. A function costs
-- something each time that it is made, used or not: what most calls do without is in `changes.lua`.

local call = redis.call
local STATE, MESSAGES, PENDING, LEASED, HISTORY, OUTBOX = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local NEVER = 99999999999999
local RANKS = 1099511627776
local CHUNK = 128

local now, generation, messages_max, bytes_max, history_max, attempts_max, lease_ms, drops_oldest =
  string.match(ARGV[1], '^(%d+) (%S+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d)$')
now = tonumber(now)
local instance, number = string.match(ARGV[3], '^(%S+) (%d+)$')
number = tonumber(number)

-- The state as it is, and its numbers as they were when it was loaded.
local s, was
-- Announcements of this call, and all of them as they were published.
local told, published = {}, ''

-- @returns whether there is a mailbox
local function load()
  local v = call('HMGET', STATE, 'epoch', 'generations', 'session', 'call:' .. instance, 'last', 'live', 'bytes',
    'history_bytes', 'changes', 'due', 'leased_due', 'history_due', 'delivered', 'died', 'evicted', 'recent')
  if not v[1] then return false end
  local last, live, bytes, history_bytes = tonumber(v[5]), tonumber(v[6]), tonumber(v[7]), tonumber(v[8])
  local changes, due, leased_due, history_due = tonumber(v[9]), tonumber(v[10]), tonumber(v[11]), tonumber(v[12])
  local delivered, died = tonumber(v[13]), tonumber(v[14])
  s = {
    epoch = v[1], session = v[3], answered = v[4], last = last, live = live, bytes = bytes, history_bytes = history_bytes,
    changes = changes, due = due, leased_due = leased_due, history_due = history_due, delivered = delivered,
    died = died, evicted = v[15], recent = v[16],
  }
  was = { last, live, bytes, history_bytes, changes, due, leased_due, history_due, delivered, died, v[15], v[16] }
  if not string.find(v[2], generation, 1, true) then
    -- After a failover messages may be lost: what comes now gets offsets that no lost one had, and what dies
    -- now numbers that no buried one had. A slot of a cluster that was moved has lost nothing: neither was its
    -- new node known here before, nor the one that it has taken over from.
    local node, before = string.match(generation, '^(%x+)/%x+/(%x+)$')
    local moved = node and not string.find(v[2], node .. '/', 1, true) and not string.find(v[2], '/' .. before .. '/', 1, true)
    if not moved then s.last, s.changes, s.died = last + 1048576, changes + 1048576, died + 1048576 end
    local kept = { generation }
    for known in string.gmatch(v[2], '%S+') do
      if #kept < 4 then kept[#kept + 1] = known end
    end
    s.generations = table.concat(kept, ' ')
  end
  return true
end

-- Begins a mailbox that is not there yet.
local function create(epoch)
  call('HSET', STATE, 'epoch', epoch, 'generations', generation, 'last', 0, 'live', 0, 'bytes', 0, 'history_bytes', 0,
    'changes', 0, 'due', NEVER, 'leased_due', NEVER, 'history_due', NEVER, 'delivered', 0, 'died', 0,
    'evicted', '0 0 0 0 0', 'recent', '0 0 0', 'idle_since', now)
  load()
end

-- What this very call was answered before, its number left out; nil for a new one. A number below the last
-- one is a call that was given up: false.
local function answered()
  if not s.answered then return nil end
  local last, answer = string.match(s.answered, '^(%d+) %d+ (.*)$')
  last = tonumber(last)
  if last < number then return nil end
  return last == number and answer
end

-- Writes what has changed, and announces. @param answer remembered for this call; nil: it changed nothing
local function save(answer)
  local c, n = {}, 0
  local function note(name, value) c[n + 1], c[n + 2], n = name, value, n + 2 end
  if s.last ~= was[1] then note('last', s.last) end
  if s.live ~= was[2] then note('live', s.live) end
  if s.bytes ~= was[3] then note('bytes', s.bytes) end
  if s.history_bytes ~= was[4] then note('history_bytes', s.history_bytes) end
  if s.changes ~= was[5] then note('changes', s.changes) end
  if s.due ~= was[6] then note('due', s.due) end
  if s.leased_due ~= was[7] then note('leased_due', s.leased_due) end
  if s.history_due ~= was[8] then note('history_due', s.history_due) end
  if s.delivered ~= was[9] then note('delivered', s.delivered) end
  if s.died ~= was[10] then note('died', s.died) end
  if s.evicted ~= was[11] then note('evicted', s.evicted) end
  if s.recent ~= was[12] then note('recent', s.recent) end
  if s.generations then note('generations', s.generations) end
  if answer then note('call:' .. instance, number .. ' ' .. now .. ' ' .. answer) end
  if n > 0 then call('HSET', STATE, unpack(c)) end
  if #told == 0 then return end
  published = instance .. ' ' .. s.epoch .. '\n' .. table.concat(told, '\n')
  local command, channel = string.match(ARGV[2], '^(%S+) (.+)$')
  call(command, channel, published)
end

-- What each answer begins with, once all is saved.
local function noted()
  local due = s.due
  if s.leased_due < due then due = s.leased_due end
  if s.history_due < due then due = s.history_due end
  return { due, call('LLEN', OUTBOX), published, s.bytes + s.history_bytes - was[3] - was[4] }
end

-- @param again it was delivered before
local function announce(ref, again, id, sender, reply)
  s.changes = s.changes + 1
  local rank = ref % 4
  told[#told + 1] = (ref - rank) / 4 .. ' ' .. s.changes .. (again and ' 1 ' or ' 0 ') .. rank .. ' ' .. id .. ' ' .. sender
    .. ' ' .. reply
end

-- How a session ended that no longer holds the address, as an answer; nil while it does, or is not named.
local function ended(session_id)
  if session_id == '' or (s and s.session == session_id) then return nil end
  return s and s.session and s.session ~= '' and 'replaced' or 'closed'
end
