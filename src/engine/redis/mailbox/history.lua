-- Retained messages in rising order of offset, in any state.
--
-- KEYS  1-7 as above
-- ARGV  1-3 as above
--       4   epoch of a cursor, '' for none; 5 its offset
--       6   how many at most; 7 bytes, but never none
-- RETURNS  epoch and offset after which the next page begins; whether the cursor was recovered; whether there
--          is more; then for each message: offset, attempt, whether it is acknowledged, message
if not load() then return 'unknown' end
local c = changes()
c.begin_freeing()
c.advance()
save(nil)
local epoch, offset, limit, budget = ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local recovered = epoch == '' or (epoch == s.epoch and offset <= s.last and offset >= c.evicted())
local from = 0
if epoch ~= '' then from = recovered and offset or (c.evicted()) end
local refs, acknowledged = {}, {}
local function add(ref)
  if (ref - ref % 4) / 4 > from then refs[#refs + 1] = ref end
end
for _, ref in ipairs(c.refs_in(call('ZRANGE', PENDING, 0, -1))) do add(ref) end
for _, ref in ipairs(c.leased_refs(true)) do add(ref) end
for _, ref in ipairs(c.refs_in(call('ZRANGEBYSCORE', HISTORY, '(' .. from, '+inf'))) do
  acknowledged[ref] = true
  add(ref)
end
table.sort(refs)
local answer = noted()
answer[5], answer[6], answer[7], answer[8] = s.epoch, from, recovered and 1 or 0, 0
local bytes, count, at = 0, 0, 1
while at <= #refs do
  local some = {}
  for i = at, math.min(at + CHUNK - 1, #refs, at + limit) do some[#some + 1] = refs[i] end
  local messages, notes = c.fetch(some, ''), c.fetch(some, 'n')
  for i, ref in ipairs(some) do
    local more = tonumber(string.match(messages[i], '^%d (%d+)'))
    if count == limit or (count > 0 and bytes + more > budget) then
      answer[8] = 1
      return answer
    end
    bytes, count = bytes + more, count + 1
    local n = #answer
    answer[6] = (ref - ref % 4) / 4
    answer[n + 1] = answer[6]
    answer[n + 2] = notes[i] and tonumber(string.match(notes[i], '^%d+')) or 0
    answer[n + 3], answer[n + 4] = acknowledged[ref] and 1 or 0, messages[i]
  end
  at = at + #some
end
answer[6] = s.last
return answer
