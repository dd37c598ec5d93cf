-- Notes a sign of life. It is made outside the line of calls of its mailbox, and as good twice.
--
-- KEYS  1-7 as above
-- ARGV  1-3 as above
--       4   id of the session
--       5   when it was heard
-- RETURNS  the session as text if it is told active by this; '' otherwise
if not load() then return 'unknown' end
load_holder()
local at = tonumber(ARGV[5])
local text = ''
if h.session == ARGV[4] and at >= h.heard then
  h.heard = at
  call('HSET', STATE, 'heard', at, 'told', 'active')
  if h.told ~= 'active' then text = session_text() end
end
local answer = noted()
answer[5] = text
return answer
