-- Records in order of id.
--
-- KEYS  1-2 as in `put.lua`
-- ARGV  1 where to begin, as ZRANGEBYLEX takes it
--       2 what all ids begin with
--       3 how many at most; 4 bytes, but never none
-- RETURNS  '1' if there are more; then for each record its id, and its version and value
local ids = redis.call('ZRANGEBYLEX', KEYS[2], ARGV[1], '(' .. ARGV[2] .. '\255', 'LIMIT', 0, tonumber(ARGV[3]) + 1)
local answer, bytes, budget = { 0 }, 0, tonumber(ARGV[4])
for i, id in ipairs(ids) do
  local record = redis.call('HGET', KEYS[1], id)
  bytes = bytes + #id + #record
  if i > tonumber(ARGV[3]) or (i > 1 and bytes > budget) then
    answer[1] = 1
    break
  end
  answer[#answer + 1] = id
  answer[#answer + 1] = record
end
return answer
