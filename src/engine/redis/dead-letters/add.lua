-- Stores a dead letter of a project, once.
--
-- KEYS  1 letters  hash: NUMBER the letter as it was in the outbox of its mailbox
--       2 heads    hash: NUMBER "CLIENT REASON ID BYTES"
--       3 order    zset: NUMBER by itself
--       4 meta     hash: `last` number, `bytes`
--       5 marks    hash: CLIENT EPOCH of a mailbox, the number in its outbox of the last letter that came here
-- ARGV  1 client, 2 epoch, 3 number in the outbox
--       4 letter, 5 reason, 6 message id, 7 bytes
--       8 how many a project may have, 9 bytes
-- RETURNS  1 if it is new, else 0; by how many bytes what is stored has grown
local call = redis.call
local mark = ARGV[1] .. ' ' .. ARGV[2]
if tonumber(ARGV[3]) <= tonumber(call('HGET', KEYS[5], mark) or 0) then return { 0, 0 } end
local last, bytes = unpack(call('HMGET', KEYS[4], 'last', 'bytes'))
last, bytes = tonumber(last or 0) + 1, tonumber(bytes or 0)
local before = bytes
bytes = bytes + tonumber(ARGV[7])
call('HSET', KEYS[1], last, ARGV[4])
call('HSET', KEYS[2], last, ARGV[1] .. ' ' .. ARGV[5] .. ' ' .. ARGV[6] .. ' ' .. ARGV[7])
call('ZADD', KEYS[3], last, last)
call('HSET', KEYS[5], mark, ARGV[3])
while call('ZCARD', KEYS[3]) > tonumber(ARGV[8]) or bytes > tonumber(ARGV[9]) do
  local number = call('ZPOPMIN', KEYS[3])[1]
  bytes = bytes - tonumber(string.match(call('HGET', KEYS[2], number), '%d+$'))
  call('HDEL', KEYS[1], number)
  call('HDEL', KEYS[2], number)
end
call('HSET', KEYS[4], 'last', last, 'bytes', bytes)
return { 1, bytes - before }
