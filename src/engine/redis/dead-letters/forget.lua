-- Forgets marks of mailboxes in which nothing has died for long; a part in each call.
--
-- KEYS  1-5 as above
-- ARGV  1 as above
--       2 the cursor that the call before returned; 0 at first
--       3 those not changed since then, in milliseconds
-- RETURNS  the cursor of the next call, '0' once all have been looked at; since when the oldest of those that
--          were left has not changed, '' where there is none
begin_freeing()
local answer = call('HSCAN', MARKS, ARGV[2], 'COUNT', CHUNK)
local before, fields, oldest = tonumber(ARGV[3]), answer[2], nil
for i = 1, #fields, 2 do
  local since = tonumber(string.match(fields[i + 1], '%d+$'))
  if since < before then call('HDEL', MARKS, fields[i])
  elseif not oldest or since < oldest then oldest = since end
end
return { answer[1], oldest or '' }
