-- Takes over claims whose instance seems to have ended.
--
-- KEYS  1-5 as above
-- ARGV  1 as above
--       2 "BEFORE_MS LETTERS_MAX": claims made or taken over before then, and after how many letters it stops
-- RETURNS  since when the oldest of the other claims is held, '' where there is none; then for each recipient
--          [claim, letter...]: "BASE SINCE_MS" by which `finish` knows it, and its letters in the order of
--          their calls, which begin at BASE + 1
begin_freeing()
local before, letters_limit = string.match(ARGV[2], '^(%d+) (%d+)$')
before, letters_limit = tonumber(before), tonumber(letters_limit)
local held = call('HGETALL', CLAIMS)
local taken, letters, oldest = {}, 0, nil
for i = 1, #held, 2 do
  local base, since, numbers = string.match(held[i + 1], '^(%d+) (%d+) (.+)$')
  since = tonumber(since)
  if since < before and letters < letters_limit then
    local claim = base .. ' ' .. now
    call('HSET', CLAIMS, held[i], claim .. ' ' .. numbers)
    local one = { claim }
    for number in string.gmatch(numbers, '%d+') do one[#one + 1] = call('HGET', LETTERS, number) end
    letters = letters + #one - 1
    taken[#taken + 1] = one
  elseif not oldest or since < oldest then
    oldest = since
  end
end
return { oldest or '', unpack(taken) }
