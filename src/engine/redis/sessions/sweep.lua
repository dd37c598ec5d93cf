-- Does what is due at an address: of its mailbox, of its session, and forgets it once nothing is stored for it.
--
-- KEYS  1-7 as above
-- ARGV  1-3 as above
--       4   milliseconds of silence after which a session is stale; 5 disconnected
--       6   milliseconds after its last use that an address is forgotten; 7 '1' has it forgotten if its client is
--           absent, whenever it was used
-- RETURNS  when to look at the address again besides; the status that is told by this, '' for none; whether the
--          address is forgotten; then the session as text
-- A call of an instance is made again for seconds at most. Bounces and requeues that one left half done are
-- made again when others come to it.
local CALL_KEPT_MS, CARRIED_KEPT_MS = 3600000, 86400000
if not load() then return 'unknown' end
load_holder()
local c = changes()
c.begin_freeing()
c.advance()
local again, status = NEVER, ''
if h.session ~= '' then
  local stale, disconnected = h.heard + ARGV[4], h.heard + ARGV[5]
  local is = now < stale and 'active' or now < disconnected and 'stale' or 'disconnected'
  again = now < stale and stale or now < disconnected and disconnected or NEVER
  if is ~= h.told then
    status = is
    call('HSET', STATE, 'told', is)
  end
end
-- Idempotency keys whose window is over.
if call('EXISTS', KEYS[7]) == 1 then
  local all = call('HGETALL', KEYS[7])
  for i = 1, #all, 2 do
    local kept_until = tonumber(string.match(all[i + 1], '^%d+'))
    if kept_until <= now then call('HDEL', KEYS[7], all[i])
    elseif kept_until < again then again = kept_until end
  end
end
-- Calls of instances that are long gone.
for _, field in ipairs(call('HKEYS', STATE)) do
  if string.sub(field, 1, 5) == 'call:' then
    local made = tonumber(string.match(call('HGET', STATE, field), '^%d+ (%d+)'))
    local carried = field == 'call:requeue' or string.sub(field, 6, 12) == 'outbox:'
    if made + (carried and CARRIED_KEPT_MS or CALL_KEPT_MS) <= now then call('HDEL', STATE, field) end
  end
end
local text = session_text()
local forgotten = false
if s.live == 0 and s.history_bytes == 0 and call('ZCARD', HISTORY) == 0 and call('EXISTS', OUTBOX, KEYS[7]) == 0 then
  local due = h.owned and math.max(h.session ~= '' and h.heard or 0, h.idle_since) + ARGV[6] or now
  local absent = h.session == '' or now >= h.heard + ARGV[5] or string.match(h.about, '^%d+\n(%d)') == '1'
  forgotten = due <= now or (ARGV[7] == '1' and absent)
  if not forgotten and due < again then again = due end
end
save(nil)
local answer = noted()
answer[5], answer[6], answer[7], answer[8] = again, status, forgotten and 1 or 0, text
if forgotten then call('DEL', unpack(KEYS)) end
return answer
