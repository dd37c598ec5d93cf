-- Begins a subscription: after a cursor, or at the oldest unacknowledged message.
--
-- KEYS  1-7 as above
-- ARGV  1-3 as above
--       4   epoch for a mailbox that is made by this call; '' makes none
--       5   id of the reader's session; '' reads for any
--       6   epoch of the cursor, '' for none; 7 its offset
--       8   "auto": the cursor acknowledges what was delivered in its turn; "none": it only peeks; "manual"
-- RETURNS  whether the address is new; the position's epoch, the offset that it begins after, the last
--          offset, what was overwritten; whether the cursor was recovered; how many are pending; changes; then
--          "ID SENDER" of each message that the cursor acknowledged
local found = load()
local over = ended(ARGV[5])
if over then return over end
local made = false
if not found then
  if ARGV[4] == '' then return 'unknown' end
  create(ARGV[4])
  made = true
end
local before = answered()
if before == false then return 'stale' end
if before then made = string.sub(before, 1, 1) == '1' end
local c = changes()
c.begin_freeing()
c.advance()
local evicted = c.evicted()
local epoch, offset, mode = ARGV[6], tonumber(ARGV[7]), ARGV[8]
local recovered = epoch == '' or (epoch == s.epoch and offset <= s.last and offset >= evicted)
local acknowledged, settled = {}, {}
if before then
  -- What the cursor acknowledged, as far as it is still here.
  for ref in string.gmatch(string.sub(before, 2), '%d+') do settled[#settled + 1] = tonumber(ref) end
  for _, text in ipairs(c.fetch(settled, 'n')) do
    local note = text and c.read_note(text)
    if note then acknowledged[#acknowledged + 1] = note.id .. ' ' .. note.sender end
  end
elseif mode == 'auto' and recovered and epoch ~= '' then
  local refs, members = {}, {}
  local function consider(ref, zset, member)
    if (ref - ref % 4) / 4 <= offset then
      refs[#refs + 1] = ref
      members[ref] = { zset, member }
    end
  end
  for _, ref in ipairs(c.refs_in(call('ZRANGE', PENDING, 0, -1))) do consider(ref, PENDING, ref) end
  for _, member in ipairs(call('ZRANGE', LEASED, 0, -1)) do
    consider(tonumber(string.sub(member, 1, 1) == 'd' and string.sub(member, 2) or member), LEASED, member)
  end
  table.sort(refs)
  for i, text in ipairs(c.fetch(refs, 'n')) do
    if text then
      local note = c.read_note(text)
      if note.cursor then
        c.acknowledge(refs[i], members[refs[i]][1], members[refs[i]][2], note)
        settled[#settled + 1] = refs[i]
        acknowledged[#acknowledged + 1] = note.id .. ' ' .. note.sender
      end
    end
  end
  c.trim()
end
local from = c.settled_offset()
if epoch ~= '' then from = recovered and offset or (c.evicted()) end
local peeks = mode == 'none' and not (recovered and epoch ~= '')
if peeks and from <= c.evicted() and s.live > 0 then
  local oldest = c.oldest_live()
  from = math.min(from, (oldest - oldest % 4) / 4 - 1)
end
save((made or #settled > 0) and (made and '1' or '0') .. table.concat(settled, ' ') or nil)
local answer = noted()
for _, value in ipairs({ made and 1 or 0, s.epoch, from, s.last, (c.evicted()), recovered and 1 or 0 }) do
  answer[#answer + 1] = value
end
answer[#answer + 1] = call('ZCARD', PENDING)
answer[#answer + 1] = s.changes
for _, names in ipairs(acknowledged) do answer[#answer + 1] = names end
return answer
