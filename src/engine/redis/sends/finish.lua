-- Notes what came of a send with an idempotency key, or forgets that it was begun. It comes behind
-- `mailbox.lua`, on the mailbox of the sender.
--
-- KEYS  1-7 as in `claim.lua`
-- ARGV  1-3 as above
--       4   key
--       5   what came of it; '' forgets the key
-- RETURNS  the digest and what came of the first send that is known of: of another one that ended before
if not load() then return 'unknown' end
local field = 'k ' .. ARGV[4]
local text = call('HGET', KEYS[7], field)
local answer = noted()
answer[5], answer[6] = '', ''
if not text then return answer end
local head, outcome = string.match(text, '^([^\n]*)\n(.*)$')
if outcome ~= '' then
  answer[5], answer[6] = string.match(head, '^%d+ %d+ (%S*)'), outcome
elseif ARGV[5] == '' then
  call('HDEL', KEYS[7], field)
else
  call('HSET', KEYS[7], field, head .. '\n' .. ARGV[5])
end
return answer
