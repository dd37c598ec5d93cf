-- Does what is due in one mailbox.
--
-- KEYS  1-6 as above
-- ARGV  1-3 as above
-- RETURNS  epoch; the last offset; the settled offset; how many are pending, and leased; changes; how many
--          are history
if not load() then return 'unknown' end
local c = changes()
c.begin_freeing()
c.advance()
save(nil)
local answer = noted()
local pending = call('ZCARD', PENDING)
for _, value in ipairs({ s.epoch, s.last, c.settled_offset(), pending, s.live - pending, s.changes, call('ZCARD', HISTORY) }) do
  answer[#answer + 1] = value
end
return answer
