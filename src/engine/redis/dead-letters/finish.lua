-- Ends a claim: letters that are back in their mailboxes are deleted, the rest are listed again. But where
-- newer ones have been dropped meanwhile for want of room, so are these.
--
-- KEYS  1-5 as above
-- ARGV  1   as above
--       2   "BASE SINCE_MS" of the claim
--       3.. for each recipient, and how many of its letters have been stored, from the first on
-- RETURNS  by how many bytes what is stored has grown: a claimed letter counts as stored. Claims that are no
--          longer this caller's are left
begin_freeing()
local claim = ARGV[2] .. ' '
local grown, bytes_back, dropped = 0, 0, 0
local floor = tonumber(call('HGET', TOTALS, 'floor')) or 0
for i = 3, #ARGV, 2 do
  local held = call('HGET', CLAIMS, ARGV[i])
  if held and string.sub(held, 1, #claim) == claim then
    local stored, at = tonumber(ARGV[i + 1]), 0
    for number in string.gmatch(string.sub(held, #claim), '%d+') do
      at = at + 1
      local head = head_of(call('HGET', LETTERS, number))
      local _, _, bytes = parse(head)
      if at > stored and tonumber(number) >= floor then
        call('ZADD', INDEX, number, head)
        bytes_back = bytes_back + bytes
      else
        call('HDEL', LETTERS, number)
        grown = grown - bytes
        if at > stored then dropped = dropped + 1 end
      end
    end
    call('HDEL', CLAIMS, ARGV[i])
  end
end
if dropped > 0 then call('HINCRBY', TOTALS, 'dropped', dropped) end
if bytes_back > 0 then
  call('HINCRBY', TOTALS, 'bytes', bytes_back)
  grown = grown - trim()
end
return grown
