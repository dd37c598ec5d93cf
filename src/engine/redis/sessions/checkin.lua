-- Gives a client its address.
--
-- KEYS  1-7 as above
-- ARGV  1-3 as above
--       4   epoch for a mailbox that is made by this call; '' makes none
--       5   id of the session that the caller holds or names; '' none
--       6   "reader" or "sender" joins whoever holds the address; '' does not
--       7   the key of the caller, "=" and its id; '' none
--       8   id for a session that begins
--       9   the client's name as JSON, or its capabilities; '' leaves that as it is. 10 the other
-- RETURNS  'not_owner' besides; else whether the address is new; whether the session held it before; whether it
--          is told active by this; the session that was replaced, as text, '' for none; how the session has ended since,
--          '' while it holds the address, else it is answered as it began, for a call that is made again; then the
--          client
local made = false
if not load() then
  if ARGV[4] == '' then return 'unknown' end
  create(ARGV[4])
  made = true
end
load_holder()
local before = answered()
if before == false then return 'stale' end
local resumed, active, replaced, gone
if before then
  local m, r, a, id, text = string.match(before, '^(%d)(%d)(%d)(%S+) (.*)$')
  made, resumed, active, replaced = m == '1', r == '1', a == '1', text
  if h.session ~= id then
    local capabilities = ARGV[10] ~= '' and ARGV[10] or '{}'
    gone = table.concat({ id, now, now, ARGV[6] == 'sender' and 1 or 0, ARGV[9], capabilities }, '\n')
  end
else
  if h.owned and h.owner ~= ARGV[7] then return 'not_owner' end
  resumed = h.session ~= '' and (ARGV[6] ~= '' or h.session == ARGV[5])
  replaced = ''
  if h.session ~= '' and not resumed then replaced = end_session() end
  local created, sender, name, capabilities = now, ARGV[6] == 'sender', '', '{}'
  if resumed then
    local c, only, n, caps = string.match(h.about, '^(%d+)\n(%d)\n([^\n]*)\n([^\n]*)$')
    created, name, capabilities = c, n, caps
    sender = sender and only == '1'
  else
    h.session, h.told = ARGV[8], 'disconnected'
  end
  if ARGV[9] ~= '' then name = ARGV[9] end
  if ARGV[10] ~= '' then capabilities = ARGV[10] end
  h.about = created .. '\n' .. (sender and 1 or 0) .. '\n' .. name .. '\n' .. capabilities
  active = h.told ~= 'active'
  h.heard, h.owned, h.owner, h.told, s.session = now, true, ARGV[7], 'active', h.session
  call('HSET', STATE, 'owned', '1', 'session', h.session, 'about', h.about, 'heard', now, 'told', 'active')
  if ARGV[7] ~= '' then call('HSET', STATE, 'owner', ARGV[7]) end
  save((made and '1' or '0') .. (resumed and '1' or '0') .. (active and '1' or '0') .. h.session .. ' ' .. replaced)
end
local answer = noted()
answer[5], answer[6], answer[7], answer[8] = made and 1 or 0, resumed and 1 or 0, active and 1 or 0, replaced
answer[9] = gone and (h.session == '' and 'closed' or 'replaced') or ''
add_client(answer)
if gone then answer[10] = gone end
return answer
