-- Makes every leased message pending again: the session that read them has ended, which is no failure.
--
-- KEYS  1-6 as above
-- ARGV  1-3 as above
-- RETURNS  nothing more
if not load() then return 'unknown' end
local c = changes()
c.begin_freeing()
c.advance()
local refs = c.leased_refs(false)
local notes = c.notes_of(refs)
for _, ref in ipairs(refs) do c.release(ref, ref, notes[ref]) end
save(nil)
return noted()
