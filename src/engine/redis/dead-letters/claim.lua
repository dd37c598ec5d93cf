-- Claims matching letters for a requeue, oldest first: they leave the list until `finish`.
--
-- KEYS  1-5 as above
-- ARGV  1   as above
--       2   "AFTER THROUGH LETTERS_MAX BYTES_MAX SCANNED_MAX": the numbers to look at, the second '-' for up
--           to the newest, and how many letters are tried or looked at
--       3   "BASE SINCE_MS" of a claim that goes on; '' begins one
--       4.. a filter, then the recipients of which nothing is to be tried
-- RETURNS  [through, after, more, bytes, claim, what...]: how far it has come, whether there are more letters
--          up to `through`, the bytes tried, and in order of number a pair for each letter tried: the number
--          of its call and the letter, or '' and "ID RECIPIENT" of one that is left where it is
begin_freeing()
local after, through, letters_limit, bytes_limit, scanned_max =
  string.match(ARGV[2], '^(%d+) (%S+) (%d+) (%d+) (%d+)$')
after, letters_limit, bytes_limit, scanned_max =
  tonumber(after), tonumber(letters_limit), tonumber(bytes_limit), tonumber(scanned_max)
local totals = call('HMGET', TOTALS, 'last', 'bytes', 'calls')
through = tonumber(through) or tonumber(totals[1]) or 0
local claim = ARGV[3]
local filter, at = read_filter(4)
local left = {}
for i = at, #ARGV do left[ARGV[i]] = true end

-- Of each recipient the claim as it is written, and how many letters it has; false for somebody else's.
local claims, counts = {}, {}

-- @returns the number of the call by which the letter is to be appended; nil when it cannot be claimed
local function claim_letter(recipient, number)
  if left[recipient] then return nil end
  if claims[recipient] == nil then
    local held = call('HGET', CLAIMS, recipient)
    local ours = claim ~= '' and claim .. ' '
    if not held then
      claims[recipient], counts[recipient] = '', 0
    elseif ours and string.sub(held, 1, #ours) == ours then
      local _, numbers = string.gsub(string.sub(held, #claim + 1), ' %d+', '')
      claims[recipient], counts[recipient] = string.sub(held, #claim + 1), numbers
    else
      claims[recipient] = false
    end
  end
  if not claims[recipient] then return nil end
  if claim == '' then
    -- Above all earlier ones, even where a failover has lost some.
    local base = math.max(tonumber(totals[3]) or 0, now)
    call('HSET', TOTALS, 'calls', base + 1000)
    claim = base .. ' ' .. now
  end
  claims[recipient] = claims[recipient] .. ' ' .. number
  counts[recipient] = counts[recipient] + 1
  return tonumber(string.match(claim, '^%d+')) + counts[recipient]
end

local heads = call('ZRANGEBYSCORE', INDEX, '(' .. after, through, 'LIMIT', 0, scanned_max + 1)
local what, gone = {}, {}
local done, tried, size, claimed_bytes = 0, 0, 0, 0
while done < math.min(#heads, scanned_max) and tried < letters_limit and size < bytes_limit do
  done = done + 1
  local head = heads[done]
  local number, reason, bytes, id, recipient = parse(head)
  after = number
  if matches(filter, reason, id, recipient) then
    tried, size = tried + 1, size + bytes
    local by = claim_letter(recipient, number)
    what[#what + 1] = by or ''
    what[#what + 1] = by and call('HGET', LETTERS, number) or id .. ' ' .. recipient
    if by then
      gone[#gone + 1] = head
      claimed_bytes = claimed_bytes + bytes
    end
  end
end
if #gone > 0 then
  call('ZREM', INDEX, unpack(gone))
  call('HINCRBY', TOTALS, 'bytes', -claimed_bytes)
  for recipient, numbers in pairs(claims) do
    if numbers and numbers ~= '' then call('HSET', CLAIMS, recipient, claim .. numbers) end
  end
end
return { through, after, done < #heads and 1 or 0, size, claim, unpack(what) }
