-- Looks for letters from the newest down, a limited number in one call.
--
-- KEYS  1-5 as above
-- ARGV  1   as above
--       2   where to begin: "+inf", or "(NUMBER" for those below
--       3   "BELOW LIMIT SCANNED_MAX TEXT_MAX WHOLE": up to LIMIT matching letters whose number is under
--           BELOW are answered; after SCANNED_MAX letters, or so many bytes of text, the call ends. WHOLE is
--           0 where nothing has to be counted: then it also ends at the first letter beyond the limit
--       4.. a filter
-- RETURNS  [listed, next, matching, under BELOW, text...]: how many letters are listed, where the next call
--          begins ('': all have been looked at), and how many matched, of all and of those under BELOW
local below, limit, scanned_max, text_max, whole =
  string.match(ARGV[3], '^(%S+) (%d+) (%d+) (%d+) (%d)$')
below, limit = tonumber(below), tonumber(limit)
scanned_max, text_max = tonumber(scanned_max), tonumber(text_max)
local filter = read_filter(4)
local heads = call('ZREVRANGEBYSCORE', INDEX, ARGV[2], '-inf', 'LIMIT', 0, scanned_max)
local following = ''
local matching, under, size, texts = 0, 0, 0, {}
for i, head in ipairs(heads) do
  local number, reason, _, id, recipient = parse(head)
  if matches(filter, reason, id, recipient) then
    matching = matching + 1
    if number < below then
      under = under + 1
      if #texts < limit then
        texts[#texts + 1] = call('HGET', LETTERS, number)
        size = size + #texts[#texts]
      elseif whole == '0' then
        break
      end
    end
  end
  if i == scanned_max or size >= text_max then
    following = '(' .. number
    break
  end
end
return { call('ZCARD', INDEX), following, matching, under, unpack(texts) }
