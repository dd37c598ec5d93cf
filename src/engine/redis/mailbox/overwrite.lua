-- Overwrites the oldest of the history, to make room elsewhere.
--
-- KEYS  1-7 as above
-- ARGV  1-3 as above
--       4   bytes that are wanted
-- RETURNS  nothing more
if not load() then return 'unknown' end
local c = changes()
c.begin_freeing()
local wanted, had = tonumber(ARGV[4]), s.history_bytes
while s.history_bytes > 0 and had - s.history_bytes < wanted do c.overwrite(1) end
save(nil)
return noted()
