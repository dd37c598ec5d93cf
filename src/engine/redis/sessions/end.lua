-- Ends a session, if it holds the address.
--
-- KEYS  1-7 as above
-- ARGV  1-3 as above
--       4   id of the session
-- RETURNS  the session that has ended, as text; '' for none
if not load() then return 'unknown' end
load_holder()
local before = answered()
if before == false then return 'stale' end
local over = before or ''
if not before and h.session == ARGV[4] then
  over = end_session()
  save(over)
end
local answer = noted()
answer[5] = over
return answer
