-- Removes what has been done from the outbox of a mailbox, and answers what comes next.
--
-- KEYS  1 outbox  list, as `mailbox.lua` writes it: "NUMBER REASON OFFSET ATTEMPTS DEAD_MS EPOCH", and the
--                 message on the next lines
-- ARGV  1 epoch of what has been done; '' for nothing
--       2 number of the last that has been done
--       3 "LETTERS_MAX TEXT_MAX": how much is answered, in letters and about in bytes
-- RETURNS  [text...]
local call = redis.call
local OUTBOX = KEYS[1]
local CHUNK = 8
local through = tonumber(ARGV[2])
while ARGV[1] ~= '' do
  local first = call('LINDEX', OUTBOX, 0)
  local number, epoch = string.match(first or '', '^(%d+) %S+ %d+ %d+ %d+ (%S+)\n')
  -- Another instance may have removed it, and a mailbox that began anew may count from 1 again.
  if epoch ~= ARGV[1] or tonumber(number) > through then break end
  call('LPOP', OUTBOX)
end
local letters_max, text_max = string.match(ARGV[3], '^(%d+) (%d+)$')
letters_max, text_max = tonumber(letters_max), tonumber(text_max)
local texts, size = {}, 0
for from = 0, letters_max - 1, CHUNK do
  local some = call('LRANGE', OUTBOX, from, math.min(from + CHUNK, letters_max) - 1)
  for _, text in ipairs(some) do
    texts[#texts + 1] = text
    size = size + #text
  end
  if #some < CHUNK or size >= text_max then break end
end
return texts
