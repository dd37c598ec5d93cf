-- KEYS  1-5 as above
-- ARGV  1 as above
-- RETURNS  [listed, their bytes, dropped]: of all letters, those dropped for want of room
local totals = call('HMGET', TOTALS, 'bytes', 'dropped')
return { call('ZCARD', INDEX), totals[1] or 0, totals[2] or 0 }
