-- Replaces the JSON of messages that are pending and were never delivered.
--
-- KEYS  1-7 as above
-- ARGV  1-3 as above
--       4   epoch of the offsets
--       5   '1' writes nothing, and answers what would come of it
--       6   bytes that are to count as stored in this mailbox besides; 7 by how many bytes it may grow
--       8.. for each message: offset, bytes of the new JSON, the JSON as it was read, the new JSON
-- RETURNS  by how many bytes the mailbox has grown; then for each message a digit: 0 rewritten, 1 delivered,
--          2 acknowledged, 3 no room, 4 gone
if not load() then return 'unknown' end
local c = changes()
c.begin_freeing()
c.advance()
local dry, besides, room = ARGV[5] == '1', tonumber(ARGV[6]), tonumber(ARGV[7])
local grown, outcomes = 0, {}

-- The message at an offset: its ref, head and JSON.
local function at(offset)
  local refs = {}
  for rank = 0, 3 do refs[rank + 1] = offset * 4 + rank end
  for i, message in ipairs(c.fetch(refs, '')) do
    if message then return refs[i], string.match(message, '^(%d) (%d+) (%d+) (%S+ %d+)\n(.*)$') end
  end
end

local function rewrite(offset, bytes_after, json_before, json_after)
  if ARGV[4] ~= s.epoch then return 4 end
  local ref, rank, bytes, expires, rest, json = at(offset)
  if not ref then return 4 end
  if json == json_after then return 0 end
  if json ~= json_before then return 4 end
  if call('ZSCORE', HISTORY, ref) then return 2 end
  if call('HEXISTS', MESSAGES, 'n' .. ref) == 1 then return 1 end
  local by = bytes_after - bytes
  local reserved = besides
  if dry then reserved = reserved + grown end
  if by > 0 and (grown + by > room or s.live > messages_max or s.bytes + reserved + by > bytes_max) then return 3 end
  grown = grown + by
  if dry then return 0 end
  call('HSET', MESSAGES, ref, rank .. ' ' .. bytes_after .. ' ' .. expires .. ' ' .. rest .. '\n' .. json_after)
  s.bytes = s.bytes + by
  while s.history_bytes > 0 and s.bytes + s.history_bytes > bytes_max do c.overwrite(1) end
  return 0
end

for i = 8, #ARGV, 4 do
  outcomes[#outcomes + 1] = rewrite(tonumber(ARGV[i]), tonumber(ARGV[i + 1]), ARGV[i + 2], ARGV[i + 3])
end
save(nil)
local answer = noted()
answer[5] = grown
for _, digit in ipairs(outcomes) do answer[#answer + 1] = digit end
return answer
