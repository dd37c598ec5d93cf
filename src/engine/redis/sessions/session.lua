-- Who holds the address of a mailbox. It comes behind `mailbox.lua` in the scripts of sessions, which keep in
-- the state hash:
--
--   owned         '1' once a client has checked in; then `owner` is its key, "=" and the id, absent for none
--   session       id of the session that holds the address, absent for none; then
--   about         four lines: when it began, '1' for a mere sender, its name and its capabilities as JSON ('' for
--                 no name)
--   heard         its last sign of life
--   told          the status that was told last
--   idle_since    when the last session ended, or the address was made
--
-- A session as text is five lines: its id, when it was heard, and `about`, which is the last three.
local h
local function load_holder()
  local v = call('HMGET', STATE, 'owned', 'owner', 'session', 'about', 'heard', 'told', 'idle_since')
  h = {
    owned = v[1] == '1', owner = v[2] or '', session = v[3] or '', about = v[4] or '', heard = tonumber(v[5]) or 0,
    told = v[6] or 'disconnected', idle_since = tonumber(v[7]) or 0,
  }
end

local function session_text()
  if h.session == '' then return '' end
  return h.session .. '\n' .. h.heard .. '\n' .. h.about
end

-- Ends the session that holds the address, and gives its leases back, which is no failure.
-- @returns it as text
local function end_session()
  local text = session_text()
  h.session, s.session = '', ''
  call('HDEL', STATE, 'session', 'about', 'heard', 'told')
  call('HSET', STATE, 'idle_since', now)
  local c = changes()
  c.advance()
  local refs = c.leased_refs(false)
  local notes = c.notes_of(refs)
  for _, ref in ipairs(refs) do c.release(ref, ref, notes[ref]) end
  return text
end

-- What is known of an address and its mailbox, behind what an answer begins with.
local function add_client(answer)
  local pending = call('ZCARD', PENDING)
  local owner = h.owned and '1' .. h.owner or ''
  for _, value in ipairs({
    session_text(), owner, s.epoch, changes().settled_offset(), s.last, pending, s.live - pending, s.changes,
    call('ZCARD', HISTORY), s.bytes, s.history_bytes,
  }) do
    answer[#answer + 1] = value
  end
  return answer
end
