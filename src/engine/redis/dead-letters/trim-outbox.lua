-- Removes from an outbox what is among the dead letters of its project.
--
-- KEYS  1 the outbox
-- ARGV  1 number of the last one
-- RETURNS  how many are left
while true do
  local text = redis.call('LINDEX', KEYS[1], 0)
  if not text or tonumber(string.match(text, '^%d+')) > tonumber(ARGV[1]) then break end
  redis.call('LPOP', KEYS[1])
end
return redis.call('LLEN', KEYS[1])
