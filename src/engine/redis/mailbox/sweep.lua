-- Does what is due in one mailbox.
--
-- KEYS  1-6 as above
-- ARGV  1-3 as above
-- RETURNS  'unknown', else [due, died, epoch, last, settled offset, pending, leased, changes]
if not load() then return 'unknown' end
begin_freeing()
advance()
save(nil)
return { next_due(), s.died, s.epoch, s.last, settled_offset(), call('ZCARD', PENDING), s.live - call('ZCARD', PENDING), s.changes }
