-- Looks for a message in a mailbox.
--
-- KEYS  1-7 as above
-- ARGV  1-3 as above
--       4   id of the message
-- RETURNS  its attempts, its state as in `core/mailbox/entry.ts`, and the message; nothing where it is not here
if not load() then return 'unknown' end
local c = changes()
local answer = noted()
local begins = '\n{"message_id":"' .. ARGV[4] .. '"'
local function look(members, state_of)
  local refs = {}
  for i, member in ipairs(members) do refs[i] = (string.gsub(member, '^d', '')) end
  for i, message in ipairs(c.fetch(refs, '')) do
    if message and string.find(message, begins, 1, true) then
      local note = call('HGET', MESSAGES, 'n' .. refs[i])
      answer[5], answer[6] = note and tonumber(string.match(note, '^%d+')) or 0, state_of(members[i])
      answer[7] = message
      return true
    end
  end
end
local _ = look(call('ZRANGE', PENDING, 0, -1), function() return 0 end)
  or look(call('ZRANGE', LEASED, 0, -1), function(member) return string.sub(member, 1, 1) == 'd' and 2 or 1 end)
  or look(call('ZRANGE', HISTORY, 0, -1), function() return 3 end)
return answer
