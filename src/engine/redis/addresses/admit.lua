-- Takes a place for an address.
--
-- KEYS  1 the addresses of the project, a zset with the score 0
-- ARGV  1 client id
--       2 how many there may be
-- RETURNS  1 if it has one, by this or before; 0: there is none left
if redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 1 end
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
redis.call('ZADD', KEYS[1], 0, ARGV[1])
return 1
