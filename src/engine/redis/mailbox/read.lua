-- Reads what a reader is due after its position, or what is pending.
--
-- KEYS  1-7 as above
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
if over then return over end
if not found then return 'unknown' end
local before = answered()
if before == false then return 'stale' end
local c = changes()
c.begin_freeing()
c.advance()
local leases, limit, budget = ARGV[5] == 'manual', tonumber(ARGV[6]), tonumber(ARGV[7])
local positioned = ARGV[8] ~= ''

-- The position, whose offsets the read moves.
local sent, resumed, unacked_only, lost = { [0] = 0, 0, 0, 0 }, 0, false, 0
if positioned then
  local s0, s1, s2, s3, r, u, l = string.match(ARGV[9], '^(%d+) (%d+) (%d+) (%d+) (%d+) (%d) (%d+)$')
  sent = { [0] = tonumber(s0), tonumber(s1), tonumber(s2), tonumber(s3) }
  resumed, unacked_only, lost = tonumber(r), u == '1', tonumber(l)
end

local function copy(of) return { [0] = of[0], of[1], of[2], of[3] } end

local function safe() return math.max(lost, math.min(sent[0], sent[1], sent[2], sent[3])) end

-- Whether a message that the reader was still due has been overwritten.
local function laps()
  if not positioned then return false end
  if ARGV[8] ~= s.epoch then return true end
  local seen = unacked_only and math.max(resumed, lost) or lost
  local _, of_rank = c.evicted()
  for rank = 0, 3 do
    if of_rank[rank] > math.max(seen, sent[rank]) then return true end
  end
  return false
end

-- What is due, in the order in which it is sent: { ref, safe, sent, from }, the offset that is safe once it is
-- sent, the position after it, and the zset that it is in.

-- What is pending, in the order in which it is taken.
local function pending_due()
  local due = c.refs_in(call('ZRANGE', PENDING, 0, limit - 1))
  for i = 1, #due do due[i] = { ref = due[i], safe = 0, from = PENDING } end
  return due
end

-- The usual case: all that is pending has the default priority and lies ahead of the reader. Nil in any other.
local function due_in_line()
  local base = 2 * RANKS
  local edge = c.refs_in(call('ZRANGE', PENDING, 0, 0))
  if edge[1] and edge[1] % 4 ~= 1 then return nil end
  if leases and edge[1] and c.offset_of(edge[1]) <= sent[1] then return nil end
  edge = c.refs_in(call('ZRANGE', PENDING, -1, -1))
  if edge[1] and edge[1] % 4 ~= 1 then return nil end
  local refs = c.refs_in(call('ZRANGEBYSCORE', PENDING, '(' .. base + sent[1], '+inf', 'LIMIT', 0, limit))
  local last = s.last
  for i = 1, #refs do
    local offset = (refs[i] - 1) / 4
    refs[i] = { ref = refs[i], safe = offset, sent = { [0] = last, offset, last, last }, from = PENDING }
  end
  if #refs < limit then sent = { [0] = last, last, last, last } end
  return refs
end

-- Refs of one rank that are pending after an offset, read in pieces as they are asked for.
local function pending_of(rank, after)
  local base = (3 - rank) * RANKS
  local list, at, start, ended = {}, 1, base + after, false
  local self = {}
  function self.peek()
    if at > #list and not ended then
      list = c.refs_in(call('ZRANGEBYSCORE', PENDING, '(' .. start, base + RANKS - 1, 'LIMIT', 0, limit))
      at, ended = 1, #list < limit
      if #list > 0 then start = base + c.offset_of(list[#list]) end
    end
    return list[at]
  end
  function self.take() at = at + 1 end
  return self
end

-- What others have leased or acknowledged ahead of the reader, of each rank in rising order: { ref, from }.
local function others_ahead(first)
  local others = { [0] = {}, {}, {}, {} }
  if s.delivered <= first then return others end
  local function add(ref, from)
    local list = others[ref % 4]
    list[#list + 1] = { ref = ref, from = from }
  end
  for _, ref in ipairs(c.leased_refs(false)) do
    if c.offset_of(ref) > sent[ref % 4] then add(ref, LEASED) end
  end
  local floor = unacked_only and resumed or 0
  for _, ref in ipairs(c.refs_in(call('ZRANGEBYSCORE', HISTORY, '(' .. math.max(first, floor), '+inf'))) do
    if c.offset_of(ref) > math.max(sent[ref % 4], floor) then add(ref, HISTORY) end
  end
  for rank = 0, 3 do table.sort(others[rank], function(a, b) return a.ref < b.ref end) end
  return others
end

-- Any case, step by step: as `nextEntry` in core/mailbox/position.ts.
local function due_by_rank(first)
  local others, at = others_ahead(first), { [0] = 1, 1, 1, 1 }
  local again, ahead = {}, {}
  for rank = 0, 3 do
    if leases then again[rank] = pending_of(rank, 0) end
    ahead[rank] = pending_of(rank, sent[rank])
  end

  local function next_of(rank)
    if sent[rank] >= s.last then return nil end
    local fresh, other = ahead[rank].peek(), others[rank][at[rank]]
    while other and c.offset_of(other.ref) <= sent[rank] do
      at[rank] = at[rank] + 1
      other = others[rank][at[rank]]
    end
    if other and (not fresh or other.ref < fresh) then return other.ref, other.from end
    return fresh, PENDING
  end

  local function step()
    for rank = 3, 0, -1 do
      local back = leases and again[rank].peek()
      if back and c.offset_of(back) <= sent[rank] then
        again[rank].take()
        return back, PENDING
      end
      local ref, from = next_of(rank)
      if not ref then
        sent[rank] = s.last
      else
        sent[rank] = c.offset_of(ref)
        if from == PENDING then
          ahead[rank].take()
          if leases then again[rank].take() end
        else
          at[rank] = at[rank] + 1
        end
        for lower = rank - 1, 0, -1 do
          local following = next_of(lower)
          sent[lower] = following and c.offset_of(following) - 1 or s.last
        end
        return ref, from
      end
    end
    return nil
  end

  local due = {}
  for i = 1, limit do
    local ref, from = step()
    if not ref then break end
    due[i] = { ref = ref, from = from, safe = safe(), sent = copy(sent) }
  end
  return due
end

local function head(lapsed)
  local answer = noted()
  -- Only who reads without a position asks where it may begin.
  answer[5], answer[6] = s.epoch, positioned and 0 or c.settled_offset()
  answer[7], answer[8], answer[9] = call('ZCARD', PENDING), s.changes, lapsed and 1 or 0
  for rank = 0, 3 do answer[10 + rank] = sent[rank] end
  return answer
end

local function add(answer, due, attempt, was_pending, message)
  local n = #answer
  answer[n + 1], answer[n + 2], answer[n + 3] = c.offset_of(due.ref), attempt, due.safe
  answer[n + 4], answer[n + 5] = was_pending and 1 or 0, message
end

-- The answer to this call was lost: the same messages again, with the attempts that they have.
if before then
  local said = {}
  for n in string.gmatch(before, '%d+') do said[#said + 1] = tonumber(n) end
  sent = { [0] = said[1], said[2], said[3], said[4] }
  local list = {}
  for i = 5, #said, 3 do list[#list + 1] = said[i] end
  local messages, notes = c.fetch(list, ''), c.fetch(list, 'n')
  save(nil)
  local repeated = head(false)
  for j, ref in ipairs(list) do
    if messages[j] then
      local attempts = notes[j] and tonumber(string.match(notes[j], '^%d+')) or 0
      add(repeated, { ref = ref, safe = said[3 + 3 * j] }, attempts, said[4 + 3 * j] == 1, messages[j])
    end
  end
  return repeated
end

if laps() then
  save(nil)
  return head(true)
end

local start, safe_before = copy(sent), safe()
local due
if not positioned then
  due = pending_due()
else
  local first = math.min(sent[0], sent[1], sent[2], sent[3])
  due = s.delivered <= first and due_in_line() or due_by_rank(first)
end

-- How many of them fit, and their messages, which are fetched in pieces.
local taken, messages, bytes, full = 0, {}, 0, false
for from = 1, #due, CHUNK do
  if full then break end
  local names = {}
  for j = from, math.min(from + CHUNK - 1, #due) do names[#names + 1] = due[j].ref end
  for _, message in ipairs(call('HMGET', MESSAGES, unpack(names))) do
    local more = tonumber(string.match(message, '^%d (%d+)'))
    if positioned then full = bytes >= budget else full = taken > 0 and bytes + more > budget end
    if full then break end
    bytes, taken = bytes + more, taken + 1
    messages[taken] = message
  end
end
-- Behind the last one that fits the walk has gone too far.
if positioned and taken > 0 and (taken < #due or taken == limit or bytes >= budget) then sent = copy(due[taken].sent)
elseif positioned and taken < #due then sent = start end

local texts, attempts = {}, {}
if taken > 0 then
  local names = {}
  for j = 1, taken do names[j] = due[j].ref end
  texts = c.fetch(names, 'n')
end

if not leases then
  save(nil)
  local answer = head(false)
  for j = 1, taken do
    add(answer, due[j], texts[j] and tonumber(string.match(texts[j], '^%d+')) or 0, false, messages[j])
  end
  return answer
end

local leased, until_ms, notes = {}, {}, {}
local kept = { sent[0], sent[1], sent[2], sent[3] }
local ends = now + lease_ms
for j = 1, taken do
  local item = due[j]
  local ref, from, offset = item.ref, item.from, c.offset_of(item.ref)
  local note = texts[j] and c.read_note(texts[j]) or c.note_of(messages[j])
  local was = note.attempts
  local again = offset <= resumed
  if from == PENDING or (again and from == LEASED) then
    note.attempts, note.cursor = was + 1, false
    if from == PENDING then leased[#leased + 1] = ref end
    local lease_ends = ends < note.expires and ends or note.expires
    until_ms[#until_ms + 1] = lease_ends
    until_ms[#until_ms + 1] = ref
    c.lease_until(lease_ends)
  elseif again then
    note.attempts = was + 1
  end
  -- Delivered in its turn, a message is acknowledged by a cursor at or past it.
  local marked = positioned and offset > safe_before and not note.cursor and from ~= HISTORY
  if marked then note.cursor = true end
  if marked or note.attempts > was then
    notes[#notes + 1] = 'n' .. ref
    notes[#notes + 1] = c.write_note(note)
  end
  if offset > s.delivered then s.delivered = offset end
  attempts[j] = note.attempts
  safe_before = positioned and item.safe or 0
  local n = #kept
  kept[n + 1], kept[n + 2], kept[n + 3] = ref, item.safe, from == PENDING and 1 or 0
end
c.chunks(leased, function(from, to) call('ZREM', PENDING, unpack(leased, from, to)) end)
local function write_pairs(command, key, list)
  for from = 1, #list, 2 * CHUNK do call(command, key, unpack(list, from, math.min(from + 2 * CHUNK - 1, #list))) end
end
write_pairs('ZADD', LEASED, until_ms)
write_pairs('HSET', MESSAGES, notes)
save(taken > 0 and table.concat(kept, ' ') or nil)
local answer = head(false)
for j = 1, taken do add(answer, due[j], attempts[j], due[j].from == PENDING, messages[j]) end
return answer
