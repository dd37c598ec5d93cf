-- Acknowledges or nacks messages.
--
-- KEYS  1-7 as above
-- ARGV  1-3 as above
--       4   id of the caller's session; '' settles for any
--       5   "ack", or the delay of a nack in milliseconds
--       6   "leases", "ids" or "all"; "read" for leases of a read that acknowledges what it has answered
--       7   epoch of the leases; '' otherwise
--       8.. for each lease its offset and its attempt; for "ids" the ids
-- RETURNS  the settled offset and how many are pending, 0 but for "read"; how many were settled; how many ids
--          are unknown; these ids; then "ID SENDER" of each message that was acknowledged
local found = load()
local over = ended(ARGV[4])
if over then return over end
if not found then return 'unknown' end
local before = answered()
if before == false then return 'stale' end
local c = changes()
c.begin_freeing()
c.advance()
local acks, delay_ms = ARGV[5] == 'ack', tonumber(ARGV[5])
local unknown, acknowledged, settled = {}, {}, 0

-- Acknowledges leases that are all in `leased`, in few commands. @returns what was; nil: nothing, some are not
local function acknowledge_leases()
  local refs, attempts = {}, {}
  for i = 8, #ARGV, 2 do
    for rank = 0, 3 do
      refs[#refs + 1] = ARGV[i] * 4 + rank
      attempts[#attempts + 1] = ARGV[i + 1]
    end
  end
  local here, told_of, history, seen = {}, {}, {}, {}
  local bytes, first_due, newest = 0, NEVER, 0
  for i, text in ipairs(c.fetch(refs, 'n')) do
    if text then
      local at, size, expires, id, sender = string.match(text, '^(%d+) %d+ %d %d (%d+) (%d+) (%S+) (%S+)')
      local ref = refs[i]
      if at == attempts[i] and not seen[ref] then
        seen[ref] = true
        local n = #here + 1
        here[n], told_of[n] = ref, id .. ' ' .. sender
        local offset = c.offset_of(ref)
        history[2 * n - 1], history[2 * n] = offset, ref
        bytes, expires = bytes + size, tonumber(expires)
        if expires < first_due then first_due = expires end
        if offset > newest then newest = offset end
      end
    end
  end
  if #here == 0 then return {} end
  if #here > CHUNK then return nil end
  for _, score in ipairs(call('ZMSCORE', LEASED, unpack(here))) do
    if not score then return nil end
  end
  call('ZREM', LEASED, unpack(here))
  call('ZADD', HISTORY, unpack(history))
  c.note_recent(#here)
  s.live, s.bytes, s.history_bytes = s.live - #here, s.bytes - bytes, s.history_bytes + bytes
  if first_due < s.history_due then s.history_due = first_due end
  if newest > s.delivered then s.delivered = newest end
  acknowledged, settled = told_of, #here
  return here
end

-- What is to be settled, with its zset, in the order of the leases, else of the offsets.
local chosen, notes = {}, {}

local function is_unacknowledged(ref)
  if call('ZSCORE', PENDING, ref) then return PENDING, ref end
  if call('ZSCORE', LEASED, ref) then return LEASED, ref end
  if call('ZSCORE', LEASED, 'd' .. ref) then return LEASED, 'd' .. ref end
end

local function choose(ref, note)
  if notes[ref] then return true end
  local zset, member = is_unacknowledged(ref)
  if not zset then return false end
  chosen[#chosen + 1] = { ref = ref, zset = zset, member = member }
  notes[ref] = note
  return true
end

local function choose_leases()
  if ARGV[7] ~= s.epoch then return end
  -- The ranks are not known to the caller: one of four refs has a note.
  local refs, attempts = {}, {}
  for i = 8, #ARGV, 2 do
    local offset = tonumber(ARGV[i])
    for rank = 0, 3 do
      refs[#refs + 1] = offset * 4 + rank
      attempts[#attempts + 1] = tonumber(ARGV[i + 1])
    end
  end
  for i, text in ipairs(c.fetch(refs, 'n')) do
    if text and tonumber(string.match(text, '^%d+')) == attempts[i] then
      local note = c.read_note(text)
      choose(refs[i], note)
    end
  end
end

local function choose_all()
  local refs = c.leased_refs(false)
  local found = c.notes_of(refs)
  for _, ref in ipairs(refs) do choose(ref, found[ref]) end
end

local function choose_ids()
  local wanted, left = {}, 0
  for i = 8, #ARGV do
    if not wanted[ARGV[i]] then left = left + 1 end
    wanted[ARGV[i]] = true
  end
  local here = {}
  local function look(refs, unacknowledged)
    local at = 1
    while at <= #refs and left > 0 do
      local some = {}
      for i = at, math.min(at + CHUNK - 1, #refs) do some[#some + 1] = refs[i] end
      for ref, note in pairs(c.notes_of(some)) do
        if wanted[note.id] and not here[note.id] then
          here[note.id] = true
          left = left - 1
          notes[ref] = note
          if unacknowledged then chosen[#chosen + 1] = { ref = ref }
          elseif not acks then unknown[#unknown + 1] = note.id end
        end
      end
      at = at + CHUNK
    end
  end
  look(c.leased_refs(true), true)
  local pending = c.refs_in(call('ZRANGE', PENDING, 0, -1))
  look(pending, true)
  look(c.refs_in(call('ZREVRANGE', HISTORY, 0, -1)), false)
  table.sort(chosen, function(a, b) return a.ref < b.ref end)
  for _, found in ipairs(chosen) do found.zset, found.member = is_unacknowledged(found.ref) end
  local missing = {}
  for i = 8, #ARGV do
    if not here[ARGV[i]] then
      here[ARGV[i]] = true
      missing[#missing + 1] = ARGV[i]
    end
  end
  return missing
end

local missing, done = {}, {}
if before then
  -- What this call acknowledged, as far as it is still here.
  local said = {}
  for word in string.gmatch(before, '%S+') do said[#said + 1] = word end
  settled = tonumber(said[1])
  for i = 3, 2 + tonumber(said[2]) do done[#done + 1] = tonumber(said[i]) end
  for i = 3 + #done, #said do missing[#missing + 1] = said[i] end
  for _, text in ipairs(c.fetch(done, 'n')) do
    local note = text and c.read_note(text)
    if note then acknowledged[#acknowledged + 1] = note.id .. ' ' .. note.sender end
  end
else
  local by_lease = ARGV[6] == 'leases' or ARGV[6] == 'read'
  local quick = by_lease and acks and ARGV[7] == s.epoch and acknowledge_leases()
  if quick then done = quick
  elseif by_lease then choose_leases()
  elseif ARGV[6] == 'ids' then missing = choose_ids()
  else choose_all() end
  for _, found in ipairs(chosen) do
    local ref, note = found.ref, notes[found.ref]
    if acks then
      c.acknowledge(ref, found.zset, found.member, note)
      done[#done + 1] = ref
      acknowledged[#acknowledged + 1] = note.id .. ' ' .. note.sender
      settled = settled + 1
    elseif found.zset == LEASED and found.member == ref then
      note.cursor = false
      c.fail(ref, note, delay_ms)
      settled = settled + 1
    elseif ARGV[6] == 'ids' then
      missing[#missing + 1] = note.id
    end
  end
  if acks then c.trim() end
  for _, id in ipairs(unknown) do missing[#missing + 1] = id end
end
local kept = { settled, #done }
for _, ref in ipairs(done) do kept[#kept + 1] = ref end
for _, id in ipairs(missing) do kept[#kept + 1] = id end
save(table.concat(kept, ' '))
local answer = noted()
local reads = ARGV[6] == 'read'
answer[5], answer[6] = reads and c.settled_offset() or 0, reads and call('ZCARD', PENDING) or 0
answer[7], answer[8] = settled, #missing
for _, id in ipairs(missing) do answer[#answer + 1] = id end
for _, names in ipairs(acknowledged) do answer[#answer + 1] = names end
return answer
