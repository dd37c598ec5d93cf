-- Removes dead letters that are back in their mailboxes.
--
-- KEYS  1-4 as in `add.lua`
-- ARGV  1.. numbers
-- RETURNS  by how many bytes what is stored has grown
local call = redis.call
local freed = 0
for _, number in ipairs(ARGV) do
  if call('ZREM', KEYS[3], number) == 1 then
    freed = freed + tonumber(string.match(call('HGET', KEYS[2], number), '%d+$'))
    call('HDEL', KEYS[1], number)
    call('HDEL', KEYS[2], number)
  end
end
if freed > 0 then call('HINCRBY', KEYS[4], 'bytes', -freed) end
return -freed
