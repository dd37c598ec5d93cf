-- What is known of an address.
--
-- KEYS  1-7 as above
-- ARGV  1-3 as above
-- RETURNS  the client
if not load() then return 'unknown' end
load_holder()
return add_client(noted())
