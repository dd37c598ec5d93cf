-- Stores letters of one mailbox, each once, in the order in which they died.
--
-- KEYS  1-5 as above
-- ARGV  1   as above
--       2   "CLIENT EPOCH" of the mailbox
--       3   who calls
--       4.. for each letter "NUMBER REASON BYTES ID" with its number in the outbox, and its text there
-- RETURNS  by how many bytes what is stored has grown; for each letter a digit: 1 made new by this instance,
--          even if by an earlier call; 0 by another one
-- What is stored lies in an outbox and is removed there next, so this counts as freeing memory.
begin_freeing()
local first, last, by = string.match(call('HGET', MARKS, ARGV[2]) or '0 0 - 0', '^(%d+) (%d+) (%S+)')
first, last = tonumber(first), tonumber(last)
local recipient = string.match(ARGV[2], '^(%S+)')
local instance = ARGV[3]
local newest = tonumber(call('HGET', TOTALS, 'last')) or 0
local bytes_added, grown, letters, index = 0, 0, {}, {}
local answers = {}
for i = 4, #ARGV, 2 do
  local number, rest, bytes = string.match(ARGV[i], '^(%d+) (%S+ (%d+) %S+)$')
  number = tonumber(number)
  if number > last then
    newest = newest + 1
    local head = newest .. ' ' .. rest .. ' ' .. recipient
    letters[#letters + 1] = newest
    letters[#letters + 1] = head .. '\n' .. ARGV[i + 1]
    index[#index + 1] = newest
    index[#index + 1] = head
    bytes_added = bytes_added + tonumber(bytes)
    if by ~= instance then first, by = number, instance end
    last = number
    answers[#answers + 1] = '1'
  else
    answers[#answers + 1] = (by == instance and number >= first) and '1' or '0'
  end
end
if #letters > 0 then
  call('HSET', LETTERS, unpack(letters))
  call('ZADD', INDEX, unpack(index))
  call('HSET', TOTALS, 'last', newest)
  call('HINCRBY', TOTALS, 'bytes', bytes_added)
  call('HSET', MARKS, ARGV[2], first .. ' ' .. last .. ' ' .. by .. ' ' .. now)
  grown = bytes_added - trim()
end
return { grown, table.concat(answers) }
