-- One mailbox: what `core/mailbox/` does, on keys of one hash slot. Every script begins with this file.
--
-- KEYS  1 state     hash: the fields below; `call:INSTANCE` the last call of an instance and its answer
--       2 messages  hash: REF the message, "RANK BYTES EXPIRES_MS REPLY" and its JSON on the next line;
--                   nREF its note, once it was delivered: "ATTEMPTS FAILURES CURSOR RANK BYTES EXPIRES_MS ID
--                   SENDER REPLY"
--       3 pending   zset: REF by (3 - rank) * 2^40 + offset
--       4 leased    zset: REF by the end of its lease or its expiry, "d" and REF by the end of its delay
--       5 history   zset: REF of an acknowledged message by offset
--       6 outbox    list: what has died and is not buried yet, "NUMBER REASON OFFSET ATTEMPTS DEAD_MS EPOCH",
--                   and the message on the next lines
-- ARGV  1 what holds for each call: "NOW_MS GENERATION MESSAGES_MAX BYTES_MAX HISTORY_MAX ATTEMPTS_MAX
--         LEASE_MS DROPS_OLDEST"
--       2 the channel, and the command that publishes on it: "PUBLISH channel"
--       3 who calls: "INSTANCE NUMBER"; the number rises with each call of the instance for this mailbox
--
-- RETURNS  a text where the call did nothing: 'unknown' without a mailbox, 'stale' for a call that was given
--          up, 'replaced' or 'closed' for a session that no longer holds the address. Else an array that
--          begins with four: when the mailbox is next due; the number of the last that died here; what was
--          published; by how many bytes what is stored has grown. Each script says what follows.
--
-- What is published is the instance and the epoch in one line, then one line for each message that has become
-- pending: "OFFSET CHANGES AGAIN RANK ID SENDER REPLY".
--
-- REF is offset * 4 + rank, so that refs sort as offsets do. A REPLY of "-" is none. Times are milliseconds
-- since the epoch. All numbers stay under 10^14: Lua writes larger ones with an exponent.

local call = redis.call
local STATE, MESSAGES, PENDING, LEASED, HISTORY, OUTBOX = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local NEVER = 99999999999999
local RANKS = 1099511627776
local JUMP = 1048576
local CHUNK = 128
local MOMENT_MS = 10

local FIELDS = {
  'last', 'live', 'bytes', 'history_bytes', 'changes', 'due', 'history_due', 'delivered', 'evicted', 'evicted0',
  'evicted1', 'evicted2', 'evicted3', 'recent_since', 'recent_now', 'recent_before', 'died',
}

local now, generation, messages_max, bytes_max, history_max, attempts_max, lease_ms, drops_oldest =
  string.match(ARGV[1], '^(%d+) (%S+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d)$')
now, messages_max, bytes_max, history_max = tonumber(now), tonumber(messages_max), tonumber(bytes_max), tonumber(history_max)
attempts_max, lease_ms, drops_oldest = tonumber(attempts_max), tonumber(lease_ms), drops_oldest == '1'
local publish, channel = string.match(ARGV[2], '^(%S+) (.+)$')
local instance, number = string.match(ARGV[3], '^(%S+) (%d+)$')
local CALL = 'call:' .. instance
number = tonumber(number)

-- The state as it is, and as it was when it was loaded.
local s, was
-- Announcements of this call, and all of them as they were published.
local told, published = {}, ''

local function chunks(list, visit)
  for from = 1, #list, CHUNK do visit(from, math.min(from + CHUNK - 1, #list)) end
end

-- The messages or notes of these refs. @param mark '' or 'n'
local function fetch(refs, mark)
  local found = {}
  chunks(refs, function(from, to)
    local names = {}
    for i = from, to do names[#names + 1] = mark .. refs[i] end
    local values = call('HMGET', MESSAGES, unpack(names))
    for i = 1, #values do found[from + i - 1] = values[i] end
  end)
  return found
end

local function key_of(ref)
  local rank = ref % 4
  return (3 - rank) * RANKS + (ref - rank) / 4
end

-- @returns rank, bytes, expires_ms, reply, json
local function parse(message)
  local rank, bytes, expires, reply, json = string.match(message, '^(%d) (%d+) (%d+) (%S+)\n(.*)$')
  return tonumber(rank), tonumber(bytes), tonumber(expires), reply, json
end

-- @returns the id and the sender of a message, which its JSON begins with
local function names_in(json)
  return string.match(json, '^{"message_id":"([^"]*)","sender_id":"([^"]*)"')
end

local function read_note(text)
  local attempts, failures, cursor, rank, bytes, expires, id, sender, reply =
    string.match(text, '^(%d+) (%d+) (%d) (%d) (%d+) (%d+) (%S+) (%S+) (%S+)$')
  return {
    attempts = tonumber(attempts), failures = tonumber(failures), cursor = cursor == '1', rank = tonumber(rank),
    bytes = tonumber(bytes), expires = tonumber(expires), id = id, sender = sender, reply = reply,
  }
end

-- The note of a message that was never delivered.
local function note_of(message)
  local rank, bytes, expires, reply, json = parse(message)
  local id, sender = names_in(json)
  return {
    attempts = 0, failures = 0, cursor = false, rank = rank, bytes = bytes, expires = expires, id = id,
    sender = sender, reply = reply,
  }
end

local function write_note(note)
  return note.attempts .. ' ' .. note.failures .. ' ' .. (note.cursor and '1' or '0') .. ' ' .. note.rank .. ' '
    .. note.bytes .. ' ' .. note.expires .. ' ' .. note.id .. ' ' .. note.sender .. ' ' .. note.reply
end

local function keep_note(ref, note) call('HSET', MESSAGES, 'n' .. ref, write_note(note)) end

-- The notes of these refs, by ref; made of their messages where there are none yet.
local function notes_of(refs)
  local notes, bare = {}, {}
  for i, text in ipairs(fetch(refs, 'n')) do
    if text then notes[refs[i]] = read_note(text) else bare[#bare + 1] = refs[i] end
  end
  for i, message in ipairs(fetch(bare, '')) do
    if message then notes[bare[i]] = note_of(message) end
  end
  return notes
end

-- Numbers of a list of members.
local function refs_in(members)
  for i = 1, #members do members[i] = tonumber(members[i]) end
  return members
end

-- After a failover messages may be lost: what comes now gets offsets that no lost one had.
local function jump(generations)
  if string.find(generations, generation, 1, true) then return end
  s.last, s.changes = s.last + JUMP, s.changes + JUMP
  local kept = { generation }
  for known in string.gmatch(generations, '%S+') do
    if #kept < 4 then kept[#kept + 1] = known end
  end
  s.generations = table.concat(kept, ' ')
end

-- @returns whether there is a mailbox
local function load()
  local values = call('HMGET', STATE, 'epoch', 'generations', 'session', CALL, unpack(FIELDS))
  if not values[1] then return false end
  s, was = { epoch = values[1], generations = values[2], session = values[3], answered = values[4] }, {}
  for i, name in ipairs(FIELDS) do
    local value = tonumber(values[i + 4])
    s[name], was[name] = value, value
  end
  was.generations = s.generations
  jump(s.generations)
  return true
end

-- Begins a mailbox that is not there yet.
local function create(epoch)
  s, was = { epoch = epoch, generations = generation, session = false, answered = false }, {}
  for _, name in ipairs(FIELDS) do s[name] = 0 end
  s.due, s.history_due = NEVER, NEVER
  call('HSET', STATE, 'epoch', epoch)
end

-- What this very call was answered before, its number left out; nil for a new one. A number below the last
-- one is a call that was given up: false.
local function answered()
  if not s.answered then return nil end
  local last, answer = string.match(s.answered, '^(%d+) ?(.*)$')
  last = tonumber(last)
  if last < number then return nil end
  return last == number and answer
end

-- Writes what has changed, and announces. @param answer remembered for this call; nil: it changed nothing
local function save(answer)
  local changed = {}
  for _, name in ipairs(FIELDS) do
    if s[name] ~= was[name] then
      changed[#changed + 1] = name
      changed[#changed + 1] = s[name]
    end
  end
  if s.generations ~= was.generations then
    changed[#changed + 1] = 'generations'
    changed[#changed + 1] = s.generations
  end
  if answer then
    changed[#changed + 1] = CALL
    changed[#changed + 1] = number .. ' ' .. answer
  end
  if #changed > 0 then call('HSET', STATE, unpack(changed)) end
  if #told == 0 then return end
  published = instance .. ' ' .. s.epoch .. '\n' .. table.concat(told, '\n')
  call(publish, channel, published)
end

-- A script that frees memory must be let through where there is none left: it begins with this.
local function begin_freeing() call('ZREM', PENDING, '') end

-- @param again it was delivered before
local function announce(ref, again, id, sender, reply)
  s.changes = s.changes + 1
  local rank = ref % 4
  told[#told + 1] = (ref - rank) / 4 .. ' ' .. s.changes .. ' ' .. (again and 1 or 0) .. ' ' .. rank .. ' ' .. id
    .. ' ' .. sender .. ' ' .. reply
end

-- Moves a message from `leased` to `pending`. @param member of `leased`
local function release(ref, member, note)
  call('ZREM', LEASED, member)
  call('ZADD', PENDING, key_of(ref), ref)
  keep_note(ref, note)
  if note.expires < s.due then s.due = note.expires end
  announce(ref, true, note.id, note.sender, note.reply)
end

-- Moves a message to the outbox. @param zset that it is in, as `member`
local function bury(ref, zset, member, attempts, reason)
  local message = call('HGET', MESSAGES, ref)
  local rank, bytes = parse(message)
  call('ZREM', zset, member)
  call('HDEL', MESSAGES, ref, 'n' .. ref)
  s.live, s.bytes, s.died = s.live - 1, s.bytes - bytes, s.died + 1
  call('RPUSH', OUTBOX, s.died .. ' ' .. reason .. ' ' .. (ref - rank) / 4 .. ' ' .. attempts .. ' ' .. now .. ' '
    .. s.epoch .. '\n' .. message)
end

-- The delivery of a leased message has failed.
local function fail(ref, note, delay_ms)
  note.failures = note.failures + 1
  if note.failures >= attempts_max then
    bury(ref, LEASED, ref, note.attempts, 'attempts_exhausted')
  elseif delay_ms > 0 then
    call('ZREM', LEASED, ref)
    call('ZADD', LEASED, math.min(now + delay_ms, note.expires), 'd' .. ref)
    keep_note(ref, note)
  else
    release(ref, ref, note)
  end
end

local function recent_count()
  local past = now - s.recent_since
  if past >= 2 * MOMENT_MS then return 0 end
  return past >= MOMENT_MS and s.recent_now or s.recent_now + s.recent_before
end

local function note_recent()
  if now - s.recent_since >= MOMENT_MS then
    s.recent_before = recent_count()
    s.recent_now, s.recent_since = 0, now
  end
  s.recent_now = s.recent_now + 1
end

-- Moves a message that is not acknowledged to the history. @param zset that it is in, as `member`
local function acknowledge(ref, zset, member, note)
  local offset = (ref - ref % 4) / 4
  call('ZREM', zset, member)
  call('ZADD', HISTORY, offset, ref)
  if note.attempts == 0 then note.attempts = 1 end
  keep_note(ref, note)
  note_recent()
  s.live, s.bytes, s.history_bytes = s.live - 1, s.bytes - note.bytes, s.history_bytes + note.bytes
  if note.expires < s.history_due then s.history_due = note.expires end
  if offset > s.delivered then s.delivered = offset end
end

-- Removes messages of the history. @param overwritten for want of room, and not expired
local function forget(refs, overwritten)
  local notes = fetch(refs, 'n')
  chunks(refs, function(from, to)
    local members, fields = {}, {}
    for i = from, to do
      local ref = refs[i]
      members[#members + 1] = ref
      fields[#fields + 1] = ref
      fields[#fields + 1] = 'n' .. ref
      s.history_bytes = s.history_bytes - tonumber(string.match(notes[i], '^%d+ %d+ %d %d (%d+)'))
      if overwritten then
        local rank = ref % 4
        local offset, of_rank = (ref - rank) / 4, 'evicted' .. rank
        s.evicted = math.max(s.evicted, offset)
        s[of_rank] = math.max(s[of_rank], offset)
      end
    end
    call('ZREM', HISTORY, unpack(members))
    call('HDEL', MESSAGES, unpack(fields))
  end)
end

-- Overwrites the oldest `count` messages of the history.
local function overwrite(count)
  if count > 0 then forget(refs_in(call('ZRANGE', HISTORY, 0, count - 1)), true) end
end

-- Overwrites what is beyond the limit, but for what was acknowledged just now.
local function trim()
  local length = call('ZCARD', HISTORY)
  if length > history_max then overwrite(length - math.max(history_max, recent_count())) end
end

local function expire_history()
  if s.history_due > now then return end
  local refs = refs_in(call('ZRANGE', HISTORY, 0, -1))
  local expired = {}
  s.history_due = NEVER
  for i, note in ipairs(fetch(refs, 'n')) do
    local expires = tonumber(string.match(note, '^%d+ %d+ %d %d %d+ (%d+)'))
    if expires <= now then expired[#expired + 1] = refs[i]
    elseif expires < s.history_due then s.history_due = expires end
  end
  forget(expired, false)
end

-- What is due of the unacknowledged messages, in order of offset: { ref, member, zset }.
local function due_now()
  local due = {}
  for _, member in ipairs(call('ZRANGEBYSCORE', LEASED, '-inf', now)) do
    local delayed = string.sub(member, 1, 1) == 'd'
    due[#due + 1] = { ref = tonumber(delayed and string.sub(member, 2) or member), member = member, zset = LEASED, delayed = delayed }
  end
  if s.due <= now then
    local refs = refs_in(call('ZRANGE', PENDING, 0, -1))
    s.due = NEVER
    for i, message in ipairs(fetch(refs, '')) do
      local expires = tonumber(string.match(message, '^%d %d+ (%d+)'))
      if expires <= now then due[#due + 1] = { ref = refs[i], member = refs[i], zset = PENDING }
      elseif expires < s.due then s.due = expires end
    end
  end
  table.sort(due, function(a, b) return a.ref < b.ref end)
  return due
end

-- Brings the mailbox to `now`: removes what has expired, and gives back what was leased or delayed for long
-- enough; a lapsed lease is a failure.
local function advance()
  expire_history()
  trim()
  local due = due_now()
  if #due == 0 then return end
  local refs = {}
  for i, found in ipairs(due) do refs[i] = found.ref end
  local notes = notes_of(refs)
  for _, found in ipairs(due) do
    local ref, note = found.ref, notes[found.ref]
    if note.expires <= now then bury(ref, found.zset, found.member, note.attempts, 'expired')
    elseif found.delayed then release(ref, found.member, note)
    else fail(ref, note, 0) end
  end
end

-- The refs of `leased`, without the delayed ones unless `all`.
local function leased_refs(all)
  local refs = {}
  for _, member in ipairs(call('ZRANGE', LEASED, 0, -1)) do
    if string.sub(member, 1, 1) ~= 'd' then refs[#refs + 1] = tonumber(member)
    elseif all then refs[#refs + 1] = tonumber(string.sub(member, 2)) end
  end
  table.sort(refs)
  return refs
end

-- The oldest unacknowledged message; nil when there is none.
local function oldest_live()
  local oldest
  if call('ZCARD', PENDING) > 0 then
    for rank = 0, 3 do
      local from = (3 - rank) * RANKS
      local first = tonumber(call('ZRANGEBYSCORE', PENDING, from, from + RANKS - 1, 'LIMIT', 0, 1)[1])
      if first and (not oldest or first < oldest) then oldest = first end
    end
  end
  local leased = leased_refs(true)[1]
  if leased and (not oldest or leased < oldest) then oldest = leased end
  return oldest
end

-- Where a reader without a cursor starts.
local function settled_offset()
  if s.live == 0 then return s.last end
  local oldest = oldest_live()
  return math.max((oldest - oldest % 4) / 4 - 1, s.evicted)
end

-- When this mailbox next has something to do; may be early, never late.
local function next_due()
  local first = call('ZRANGE', LEASED, 0, 0, 'WITHSCORES')
  return math.min(s.due, s.history_due, tonumber(first[2]) or NEVER)
end

-- What each answer begins with, once all is saved.
local function noted()
  local grown = was and s.bytes + s.history_bytes - (was.bytes or 0) - (was.history_bytes or 0) or 0
  return { next_due(), s.died, published, grown }
end

-- How a session ended that no longer holds the address, as an answer; nil while it does, or is not named.
local function ended(session_id)
  if session_id == '' or (s and s.session == session_id) then return nil end
  return { s and s.session and s.session ~= '' and 'replaced' or 'closed' }
end
