-- Reads what a reader is due after its position, or what is pending.
--
-- KEYS  1-6 as above
-- ARGV  1-3 as above
--       4   id of the reader's session; '' reads for any
--       5   "manual" leases; "none" only peeks
--       6   how many messages at most; 7 bytes
--       8   epoch of the position; '' reads what is pending
--       9   "SENT_0 SENT_1 SENT_2 SENT_3 RESUMED_THROUGH UNACKED_ONLY LOST_THROUGH" of the position
-- RETURNS  epoch; the settled offset; how many are pending; changes; whether the reader was lapped; the four
--          offsets of its position after this read; then for each message: offset, attempt, the offset that
--          is safe once it is sent, whether it was pending, message
local found = load()
local over = ended(ARGV[4])
if over then return over[1] end
if not found then return 'unknown' end
local before = answered()
if before == false then return 'stale' end
begin_freeing()
advance()
local leases, limit, budget = ARGV[5] == 'manual', tonumber(ARGV[6]), tonumber(ARGV[7])
local answer = {}

local sent, resumed, unacked_only, lost = {}, 0, false, 0
if ARGV[8] ~= '' then
  local v = {}
  for n in string.gmatch(ARGV[9], '%d+') do v[#v + 1] = tonumber(n) end
  sent, resumed, unacked_only, lost = { [0] = v[1], v[2], v[3], v[4] }, v[5], v[6] == 1, v[7]
end

local function laps()
  if ARGV[8] == '' then return false end
  if ARGV[8] ~= s.epoch then return true end
  local seen = unacked_only and math.max(resumed, lost) or lost
  for rank = 0, 3 do
    if s['evicted' .. rank] > math.max(seen, sent[rank]) then return true end
  end
  return false
end

local function safe() return math.max(lost, math.min(sent[0], sent[1], sent[2], sent[3])) end

-- What is pending, in the order in which it is taken.
local function pending_refs()
  local refs = {}
  for i, ref in ipairs(refs_in(call('ZRANGE', PENDING, 0, limit - 1))) do refs[i] = { ref = ref, safe = 0 } end
  return refs
end

-- Refs of one rank in rising order, read in pieces as they are asked for.
local function of_rank(zset, rank, from)
  local base = zset == PENDING and (3 - rank) * RANKS or 0
  local list, at, start, over_ = {}, 1, base + from, false
  local self = {}
  function self.peek()
    if at > #list and not over_ then
      list = refs_in(call('ZRANGEBYSCORE', zset, '(' .. start, base + RANKS - 1, 'LIMIT', 0, limit))
      at, over_ = 1, #list < limit
      if #list > 0 then start = base + (list[#list] - list[#list] % 4) / 4 end
    end
    return list[at]
  end
  function self.take() at = at + 1 end
  return self
end

local function offset_of(ref) return (ref - ref % 4) / 4 end

-- What a reader is due, in the order in which it is sent: { ref, safe, sent after it }. The walk goes on as
-- `nextEntry` in core/mailbox/position.ts does.
local function due_refs()
  -- Ahead of this reader nothing was delivered yet: only what is pending is to be looked at.
  local first = math.min(sent[0], sent[1], sent[2], sent[3])
  local plain = s.delivered <= first
  local again, ahead, others = {}, {}, { [0] = {}, {}, {}, {} }
  if not plain then
    for _, ref in ipairs(leased_refs(false)) do
      local list = others[ref % 4]
      if offset_of(ref) > sent[ref % 4] then list[#list + 1] = ref end
    end
    local from = first
    if unacked_only then from = math.max(first, resumed) end
    for _, ref in ipairs(refs_in(call('ZRANGEBYSCORE', HISTORY, '(' .. from, '+inf'))) do
      local rank = ref % 4
      if offset_of(ref) > math.max(sent[rank], unacked_only and resumed or 0) then others[rank][#others[rank] + 1] = ref end
    end
    for rank = 0, 3 do table.sort(others[rank]) end
  end
  local next_other = { [0] = 1, 1, 1, 1 }
  for rank = 0, 3 do
    if leases then again[rank] = of_rank(PENDING, rank, 0) end
    ahead[rank] = of_rank(PENDING, rank, sent[rank])
  end

  local function next_of(rank)
    if sent[rank] >= s.last then return nil end
    local fresh = ahead[rank].peek()
    local other = others[rank][next_other[rank]]
    while other and offset_of(other) <= sent[rank] do
      next_other[rank] = next_other[rank] + 1
      other = others[rank][next_other[rank]]
    end
    if other and (not fresh or other < fresh) then return other, false end
    return fresh, true
  end

  local function step()
    for rank = 3, 0, -1 do
      if leases then
        local back = again[rank].peek()
        if back and offset_of(back) <= sent[rank] then
          again[rank].take()
          return back
        end
      end
      local ref, fresh = next_of(rank)
      if not ref then
        sent[rank] = s.last
      else
        sent[rank] = offset_of(ref)
        if fresh then
          ahead[rank].take()
          if leases then again[rank].take() end
        else
          next_other[rank] = next_other[rank] + 1
        end
        for lower = rank - 1, 0, -1 do
          local following = next_of(lower)
          sent[lower] = following and offset_of(following) - 1 or s.last
        end
        return ref
      end
    end
    return nil
  end

  local refs = {}
  for _ = 1, limit do
    local ref = step()
    if not ref then break end
    refs[#refs + 1] = { ref = ref, safe = safe(), sent = { [0] = sent[0], sent[1], sent[2], sent[3] } }
  end
  return refs
end

local function head(lapsed)
  local answer = noted()
  local n = #answer
  answer[n + 1], answer[n + 2], answer[n + 3] = s.epoch, settled_offset(), call('ZCARD', PENDING)
  answer[n + 4], answer[n + 5] = s.changes, lapsed and 1 or 0
  for rank = 0, 3 do answer[n + 6 + rank] = sent[rank] or 0 end
  return answer
end

local function add(answer, due, attempt, was_pending, message)
  local n = #answer
  answer[n + 1], answer[n + 2], answer[n + 3] = offset_of(due.ref), attempt, due.safe
  answer[n + 4], answer[n + 5] = was_pending and 1 or 0, message
end

-- The answer to this call was lost: the same messages again, with the attempts that they have.
if before then
  local refs = {}
  local i = 0
  for n in string.gmatch(before, '%d+') do
    i = i + 1
    n = tonumber(n)
    if i <= 4 then sent[i - 1] = n
    elseif i % 3 == 2 then refs[#refs + 1] = { ref = n }
    elseif i % 3 == 0 then refs[#refs].safe = n
    else refs[#refs].was_pending = n == 1 end
  end
  local list = {}
  for j, due in ipairs(refs) do list[j] = due.ref end
  local messages, notes = fetch(list, ''), fetch(list, 'n')
  save(nil)
  local repeated = head(false)
  for j, due in ipairs(refs) do
    if messages[j] then
      local attempts = notes[j] and tonumber(string.match(notes[j], '^%d+')) or 0
      add(repeated, due, attempts, due.was_pending, messages[j])
    end
  end
  return repeated
end

if laps() then
  save(nil)
  return head(true)
end

local start = { [0] = sent[0], sent[1], sent[2], sent[3] }
local safe_before = ARGV[8] ~= '' and safe() or 0
local refs = ARGV[8] ~= '' and due_refs() or pending_refs()
local taken, messages, bytes = 0, {}, 0
local list = {}
for i, due in ipairs(refs) do list[i] = due.ref end
-- Messages are fetched in pieces, since bytes may end the read.
local i, over_ = 1, false
while i <= #list and not over_ do
  local to = math.min(i + CHUNK - 1, #list)
  local names = {}
  for j = i, to do names[#names + 1] = list[j] end
  for j, message in ipairs(call('HMGET', MESSAGES, unpack(names))) do
    local more = tonumber(string.match(message, '^%d (%d+)'))
    if ARGV[8] ~= '' then
      if bytes >= budget then over_ = true end
    elseif taken > 0 and bytes + more > budget then
      over_ = true
    end
    if over_ then break end
    bytes, taken = bytes + more, taken + 1
    messages[taken] = message
    refs[taken].bytes = more
  end
  i = to + 1
end
-- The walk has gone on behind the last message that fits: it ends there.
if ARGV[8] ~= '' and (taken < #refs or bytes >= budget) then sent = taken > 0 and refs[taken].sent or start end

local kept = { sent[0] or 0, sent[1] or 0, sent[2] or 0, sent[3] or 0 }
local deliveries = {}
if taken > 0 then
  local texts = {}
  local names = {}
  for j = 1, taken do names[j] = refs[j].ref end
  texts = fetch(names, 'n')
  local gone, due_times, notes_out = {}, {}, {}
  for j = 1, taken do
    local due = refs[j]
    local ref, offset = due.ref, offset_of(due.ref)
    local attempts = texts[j] and tonumber(string.match(texts[j], '^%d+')) or 0
    local was_pending = false
    if leases then
      local note = texts[j] and read_note(texts[j]) or note_of(messages[j])
      local before_attempts = note.attempts
      local again = offset <= resumed
      local pending = call('ZSCORE', PENDING, ref)
      local leased = not pending and call('ZSCORE', LEASED, ref)
      local in_turn = ARGV[8] ~= '' and offset > safe_before
      if pending or (again and leased) then
        note.attempts = note.attempts + 1
        note.cursor = false
        if pending then gone[#gone + 1] = ref end
        due_times[#due_times + 1] = math.min(now + lease_ms, note.expires)
        due_times[#due_times + 1] = ref
      elseif again then
        note.attempts = note.attempts + 1
      end
      was_pending = pending and true or false
      local marked = in_turn and not note.cursor and (pending or leased)
      if marked then note.cursor = true end
      if marked or note.attempts > before_attempts then
        notes_out[#notes_out + 1] = 'n' .. ref
        notes_out[#notes_out + 1] = write_note(note)
      end
      if offset > s.delivered then s.delivered = offset end
      attempts = note.attempts
      if due.safe then safe_before = due.safe end
    end
    deliveries[j] = { attempts, was_pending }
    if leases then
      kept[#kept + 1] = ref
      kept[#kept + 1] = due.safe
      kept[#kept + 1] = was_pending and 1 or 0
    end
  end
  chunks(gone, function(from, to) call('ZREM', PENDING, unpack(gone, from, to)) end)
  chunks(due_times, function(from, to) call('ZADD', LEASED, unpack(due_times, from, to)) end)
  chunks(notes_out, function(from, to) call('HSET', MESSAGES, unpack(notes_out, from, to)) end)
end
save(leases and taken > 0 and table.concat(kept, ' ') or nil)
answer = head(false)
for j = 1, taken do add(answer, refs[j], deliveries[j][1], deliveries[j][2], messages[j]) end
return answer
