-- Takes what is due in one part of the index, for a while.
--
-- KEYS  1 zset: address by when it is due
-- ARGV  1 now; 2 until when nobody else takes them; 3 how many at most
-- RETURNS  addresses
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[3])
for _, address in ipairs(due) do redis.call('ZADD', KEYS[1], ARGV[2], address) end
return due
