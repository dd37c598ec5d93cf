-- What changes the messages of a mailbox, besides their arrival. It comes as the body of a function
-- `changes()`, which makes all this when it is called: most appends do without.
local MOMENT_MS = 10
local c = {}
messages_max, bytes_max, history_max = tonumber(messages_max), tonumber(bytes_max), tonumber(history_max)
attempts_max, lease_ms = tonumber(attempts_max), tonumber(lease_ms)

function c.offset_of(ref) return (ref - ref % 4) / 4 end

function c.key_of(ref)
  local rank = ref % 4
  return (3 - rank) * RANKS + (ref - rank) / 4
end

function c.chunks(list, visit)
  for from = 1, #list, CHUNK do visit(from, math.min(from + CHUNK - 1, #list)) end
end

-- The messages or notes of these refs. @param mark '' or 'n'
function c.fetch(refs, mark)
  local found = {}
  c.chunks(refs, function(from, to)
    local names = {}
    for i = from, to do names[#names + 1] = mark .. refs[i] end
    local values = call('HMGET', MESSAGES, unpack(names))
    for i = 1, #values do found[from + i - 1] = values[i] end
  end)
  return found
end

-- Numbers of a list of members.
function c.refs_in(members)
  for i = 1, #members do members[i] = tonumber(members[i]) end
  return members
end

function c.read_note(text)
  local attempts, failures, cursor, rank, bytes, expires, id, sender, reply =
    string.match(text, '^(%d+) (%d+) (%d) (%d) (%d+) (%d+) (%S+) (%S+) (%S+)$')
  return {
    attempts = tonumber(attempts), failures = tonumber(failures), cursor = cursor == '1', rank = rank,
    bytes = tonumber(bytes), expires = tonumber(expires), id = id, sender = sender, reply = reply,
  }
end

-- The note of a message that was never delivered. Its JSON begins with its id and its sender.
function c.note_of(message)
  local rank, bytes, expires, reply, id, sender =
    string.match(message, '^(%d) (%d+) (%d+) (%S+) %d+\n{"message_id":"([^"]*)","sender_id":"([^"]*)"')
  return {
    attempts = 0, failures = 0, cursor = false, rank = rank, bytes = tonumber(bytes), expires = tonumber(expires),
    id = id, sender = sender, reply = reply,
  }
end

function c.write_note(note)
  return note.attempts .. ' ' .. note.failures .. (note.cursor and ' 1 ' or ' 0 ') .. note.rank .. ' ' .. note.bytes .. ' '
    .. note.expires .. ' ' .. note.id .. ' ' .. note.sender .. ' ' .. note.reply
end

function c.keep_note(ref, note) call('HSET', MESSAGES, 'n' .. ref, c.write_note(note)) end

-- The notes of these refs, by ref; made of their messages where there are none yet.
function c.notes_of(refs)
  local notes, bare = {}, {}
  for i, text in ipairs(c.fetch(refs, 'n')) do
    if text then notes[refs[i]] = c.read_note(text) else bare[#bare + 1] = refs[i] end
  end
  for i, message in ipairs(c.fetch(bare, '')) do
    if message then notes[bare[i]] = c.note_of(message) end
  end
  return notes
end

-- A script that frees memory must be let through where there is none left: it begins with this.
function c.begin_freeing() call('ZREM', PENDING, '') end

-- Moves a message from `leased` to `pending`. @param member of `leased`
function c.release(ref, member, note)
  call('ZREM', LEASED, member)
  call('ZADD', PENDING, c.key_of(ref), ref)
  c.keep_note(ref, note)
  if note.expires < s.due then s.due = note.expires end
  announce(ref, true, note.id, note.sender, note.reply)
end

-- Notes when a message that is leased or delayed falls due.
function c.lease_until(ms)
  if ms < s.leased_due then s.leased_due = ms end
end

-- Moves a message to the outbox. @param zset that it is in, as `member`
function c.bury(ref, zset, member, attempts, reason)
  local message = call('HGET', MESSAGES, ref)
  call('ZREM', zset, member)
  call('HDEL', MESSAGES, ref, 'n' .. ref)
  s.live, s.bytes, s.died = s.live - 1, s.bytes - tonumber(string.match(message, '^%d (%d+)')), s.died + 1
  call('RPUSH', OUTBOX, s.died .. ' ' .. reason .. ' ' .. c.offset_of(ref) .. ' ' .. attempts .. ' ' .. now .. ' '
    .. s.epoch .. '\n' .. message)
end

-- The delivery of a leased message has failed.
function c.fail(ref, note, delay_ms)
  note.failures = note.failures + 1
  if note.failures >= attempts_max then
    c.bury(ref, LEASED, ref, note.attempts, 'attempts_exhausted')
  elseif delay_ms > 0 then
    local ends = math.min(now + delay_ms, note.expires)
    call('ZREM', LEASED, ref)
    call('ZADD', LEASED, ends, 'd' .. ref)
    c.lease_until(ends)
    c.keep_note(ref, note)
  else
    c.release(ref, ref, note)
  end
end

-- What was acknowledged just now: since when, how many since, and in the moment before.
function c.recent()
  local since, recent, before = string.match(s.recent, '^(%d+) (%d+) (%d+)$')
  return tonumber(since), tonumber(recent), tonumber(before)
end

function c.recent_count()
  local since, recent, before = c.recent()
  local past = now - since
  if past >= 2 * MOMENT_MS then return 0 end
  return past >= MOMENT_MS and recent or recent + before
end

function c.note_recent(count)
  local since, recent, before = c.recent()
  if now - since >= MOMENT_MS then
    before = c.recent_count()
    recent, since = 0, now
  end
  s.recent = since .. ' ' .. recent + count .. ' ' .. before
end

-- Counts a message that is history from here on; its zsets are the caller's to change.
function c.count_acknowledged(offset, bytes, expires)
  s.live, s.bytes, s.history_bytes = s.live - 1, s.bytes - bytes, s.history_bytes + bytes
  if expires < s.history_due then s.history_due = expires end
  if offset > s.delivered then s.delivered = offset end
end

-- Moves a message that is not acknowledged to the history. @param zset that it is in, as `member`
function c.acknowledge(ref, zset, member, note)
  local offset = c.offset_of(ref)
  call('ZREM', zset, member)
  call('ZADD', HISTORY, offset, ref)
  if note.attempts == 0 then
    note.attempts = 1
    c.keep_note(ref, note)
  end
  c.note_recent(1)
  c.count_acknowledged(offset, note.bytes, note.expires)
end

-- Highest offset overwritten, of all ranks, and of each by its rank.
function c.evicted()
  local all, r0, r1, r2, r3 = string.match(s.evicted, '^(%d+) (%d+) (%d+) (%d+) (%d+)$')
  return tonumber(all), { [0] = tonumber(r0), tonumber(r1), tonumber(r2), tonumber(r3) }
end

-- Removes messages of the history. @param overwritten for want of room, and not expired
function c.forget(refs, overwritten)
  if #refs == 0 then return end
  local notes = c.fetch(refs, 'n')
  local all, of_rank = c.evicted()
  c.chunks(refs, function(from, to)
    local members, fields = {}, {}
    for i = from, to do
      local ref = refs[i]
      members[#members + 1] = ref
      fields[#fields + 1] = ref
      fields[#fields + 1] = 'n' .. ref
      s.history_bytes = s.history_bytes - tonumber(string.match(notes[i], '^%d+ %d+ %d %d (%d+)'))
      if overwritten then
        local rank = ref % 4
        local offset = (ref - rank) / 4
        if offset > all then all = offset end
        if offset > of_rank[rank] then of_rank[rank] = offset end
      end
    end
    call('ZREM', HISTORY, unpack(members))
    call('HDEL', MESSAGES, unpack(fields))
  end)
  if overwritten then s.evicted = table.concat({ all, of_rank[0], of_rank[1], of_rank[2], of_rank[3] }, ' ') end
end

-- Overwrites the oldest `count` messages of the history.
function c.overwrite(count)
  if count > 0 then c.forget(c.refs_in(call('ZRANGE', HISTORY, 0, count - 1)), true) end
end

-- Overwrites what is beyond the limit, but for what was acknowledged just now.
function c.trim()
  if s.history_bytes == 0 then return end
  local length = call('ZCARD', HISTORY)
  if length > history_max then c.overwrite(length - math.max(history_max, c.recent_count())) end
end

function c.expire_history()
  local refs = c.refs_in(call('ZRANGE', HISTORY, 0, -1))
  local expired = {}
  s.history_due = NEVER
  for i, note in ipairs(c.fetch(refs, 'n')) do
    local expires = tonumber(string.match(note, '^%d+ %d+ %d %d %d+ (%d+)'))
    if expires <= now then expired[#expired + 1] = refs[i]
    elseif expires < s.history_due then s.history_due = expires end
  end
  c.forget(expired, false)
end

-- What is due of the unacknowledged messages, in order of offset: { ref, member, zset, delayed }.
function c.due_now()
  local due = {}
  if s.leased_due <= now then
    for _, member in ipairs(call('ZRANGEBYSCORE', LEASED, '-inf', now)) do
      local delayed = string.sub(member, 1, 1) == 'd'
      local ref = tonumber(delayed and string.sub(member, 2) or member)
      due[#due + 1] = { ref = ref, member = member, zset = LEASED, delayed = delayed }
    end
    s.leased_due = tonumber(call('ZRANGEBYSCORE', LEASED, '(' .. now, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)[2]) or NEVER
  end
  if s.due <= now then
    local refs = c.refs_in(call('ZRANGE', PENDING, 0, -1))
    s.due = NEVER
    for i, message in ipairs(c.fetch(refs, '')) do
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
function c.advance()
  if s.history_due <= now then c.expire_history() end
  c.trim()
  if s.leased_due > now and s.due > now then return end
  local due = c.due_now()
  local refs = {}
  for i, found in ipairs(due) do refs[i] = found.ref end
  local notes = c.notes_of(refs)
  for _, found in ipairs(due) do
    local ref, note = found.ref, notes[found.ref]
    if note.expires <= now then c.bury(ref, found.zset, found.member, note.attempts, 'expired')
    elseif found.delayed then c.release(ref, found.member, note)
    else c.fail(ref, note, 0) end
  end
end

-- The refs of `leased`, in order, without the delayed ones unless `all`.
function c.leased_refs(all)
  local refs = {}
  for _, member in ipairs(call('ZRANGE', LEASED, 0, -1)) do
    if string.sub(member, 1, 1) ~= 'd' then refs[#refs + 1] = tonumber(member)
    elseif all then refs[#refs + 1] = tonumber(string.sub(member, 2)) end
  end
  table.sort(refs)
  return refs
end

-- The oldest unacknowledged message; nil when there is none.
function c.oldest_live()
  local oldest = c.leased_refs(true)[1]
  if call('ZCARD', PENDING) == 0 then return oldest end
  for rank = 0, 3 do
    local from = (3 - rank) * RANKS
    local first = tonumber(call('ZRANGEBYSCORE', PENDING, from, from + RANKS - 1, 'LIMIT', 0, 1)[1])
    if first and (not oldest or first < oldest) then oldest = first end
  end
  return oldest
end

-- Where a reader without a cursor starts.
function c.settled_offset()
  if s.live == 0 then return s.last end
  return math.max(c.offset_of(c.oldest_live()) - 1, (c.evicted()))
end

return c
