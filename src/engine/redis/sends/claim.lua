-- Begins a send with an idempotency key, or answers what came of the first one. It comes behind `mailbox.lua`,
-- on the mailbox of the sender.
--
-- KEYS  1-7 as above; 7 has "k KEY" of a sender: "UNTIL_MS NUMBER ID DIGEST" and on the next line what came of the
--       send, '' until that is known; and "m SENDER KEY" of a recipient: until when the message is known here
-- ARGV  1-3 as above
--       4   epoch for a mailbox that is made by this call; '' makes none
--       5   key
--       6   digest of what is asked for
--       7   until when it is kept
--       8   how many keys of one sender are kept
--       9   '1' begins; '' only looks
--       10  id of the message
-- RETURNS  whether the address is new; '1' if this begins the send; else the digest and what came of it; then the id of
--          the message. A send that was begun and has not ended is begun again under its first id: some recipients
--          may have it
local made = false
if not load() then
  if ARGV[4] == '' then return 'unknown' end
  create(ARGV[4])
  made = true
end
local field = 'k ' .. ARGV[5]
local text = call('HGET', KEYS[7], field)
local answer = noted()
answer[5], answer[6], answer[7], answer[8], answer[9] = made and 1 or 0, 0, '', '', ARGV[10]
if text then
  local kept_until, id, digest, outcome = string.match(text, '^(%d+) %d+ (%S+) (%S*)\n(.*)$')
  if tonumber(kept_until) > now then
    answer[9] = id
    if outcome ~= '' or ARGV[9] == '' then
      answer[7], answer[8] = digest, outcome
      return answer
    end
  end
end
if ARGV[9] == '' then return answer end
call('HSET', KEYS[7], field, ARGV[7] .. ' ' .. number .. ' ' .. answer[9] .. ' ' .. ARGV[6] .. '\n')
answer[6] = 1
-- The oldest make room.
while true do
  local count, oldest, oldest_until, oldest_number = 0, nil, nil, nil
  if call('HLEN', KEYS[7]) <= tonumber(ARGV[8]) then break end
  local all = call('HGETALL', KEYS[7])
  for i = 1, #all, 2 do
    if string.sub(all[i], 1, 2) == 'k ' then
      count = count + 1
      local kept_until, begun = string.match(all[i + 1], '^(%d+) (%d+)')
      kept_until, begun = tonumber(kept_until), tonumber(begun)
      local older = not oldest or kept_until < oldest_until or (kept_until == oldest_until and begun < oldest_number)
      if all[i] ~= field and older then oldest, oldest_until, oldest_number = all[i], kept_until, begun end
    end
  end
  if count <= tonumber(ARGV[8]) or not oldest then break end
  call('HDEL', KEYS[7], oldest)
end
return answer
