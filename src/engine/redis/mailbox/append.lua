-- Stores messages for one mailbox, each or none, and announces them.
--
-- KEYS  1-7 as above
-- ARGV  1-3 as above
--       4   epoch for a mailbox that is made by this call; '' makes none
--       5.. for each message: "ID SENDER ATTEMPTS BYTES", and the message as it is stored; of a send with an
--           idempotency key, the first goes on: " UNTIL_MS KEY"
-- RETURNS  whether the address is new; whether a client has checked in here; the session that holds it, and
--          when that was heard; then for each message a digit: 0 stored, 1 full, 2 too large
local made = false
if not load() then
  if ARGV[4] == '' then return 'unknown' end
  create(ARGV[4])
  made = true
end
local before = answered()
if before == false then return 'stale' end
-- What was made by that call counts as new again: whoever asks may not have noted it.
if before then made, before = string.sub(before, 1, 1) == '1', string.sub(before, 2) end

messages_max, bytes_max = tonumber(messages_max), tonumber(bytes_max)
local outcomes = {}
-- Messages that are stored in one command each way, unless something else has to be done in between.
local bodies, keys = {}, {}

local function write()
  if #keys == 0 then return end
  call('HSET', MESSAGES, unpack(bodies))
  call('ZADD', PENDING, unpack(keys))
  bodies, keys = {}, {}
end

local c, advanced = nil, false

local function drop_oldest()
  local ref = c.oldest_live()
  local attempts = c.notes_of({ ref })[ref].attempts
  for _, place in ipairs({ { PENDING, ref }, { LEASED, ref }, { LEASED, 'd' .. ref } }) do
    if call('ZSCORE', place[1], place[2]) then return c.bury(ref, place[1], place[2], attempts, 'overflowed') end
  end
end

-- Makes room in a full mailbox, if there is any to be made.
local function make_room(bytes, sender)
  write()
  c = c or changes()
  if not advanced then c.advance() end
  advanced = true
  -- A bounce drops nothing: what it dropped would bounce in turn.
  if drops_oldest ~= '1' or sender == 'mcp-broker' then return end
  while s.live > 0 and (s.live >= messages_max or s.bytes + bytes > bytes_max) do drop_oldest() end
end

-- Overwrites the oldest of the history until so many bytes more fit beside it.
local function overwrite_for(bytes)
  write()
  c = c or changes()
  while s.history_bytes > 0 and s.bytes + s.history_bytes + bytes > bytes_max do c.overwrite(1) end
end

-- @returns the digit that says what came of it
local function store(head, message)
  local id, sender, attempts, bytes, key = string.match(head, '^(%S+) (%S+) (%d+) (%d+)(.*)$')
  local mark, known_until
  if key ~= '' then
    known_until, key = string.match(key, '^ (%d+) (.*)$')
    mark = 'm ' .. sender .. ' ' .. key
    if tonumber(call('HGET', KEYS[7], mark) or 0) > now then return 0 end
  end
  local rank, expires, reply = string.match(message, '^(%d) %d+ (%d+) (%S+) %d+\n')
  bytes, expires = tonumber(bytes), tonumber(expires)
  if bytes > bytes_max then return 2 end
  if s.live >= messages_max or s.bytes + bytes > bytes_max then
    make_room(bytes, sender)
    if s.live >= messages_max or s.bytes + bytes > bytes_max then return 1 end
  end
  if s.history_bytes > 0 and s.bytes + s.history_bytes + bytes > bytes_max then overwrite_for(bytes) end
  s.last, s.live, s.bytes = s.last + 1, s.live + 1, s.bytes + bytes
  if expires < s.due then s.due = expires end
  local ref, n = s.last * 4 + rank, #bodies
  bodies[n + 1], bodies[n + 2] = ref, message
  if attempts ~= '0' then
    c = c or changes()
    local note = c.note_of(message)
    note.attempts = tonumber(attempts)
    bodies[n + 3], bodies[n + 4] = 'n' .. ref, c.write_note(note)
  end
  n = #keys
  keys[n + 1], keys[n + 2] = (3 - rank) * RANKS + s.last, ref
  if mark then call('HSET', KEYS[7], mark, known_until) end
  announce(ref, false, id, sender, reply)
  return 0
end

if before then
  for digit in string.gmatch(before, '%d') do outcomes[#outcomes + 1] = digit end
else
  for i = 5, #ARGV, 2 do outcomes[#outcomes + 1] = store(ARGV[i], ARGV[i + 1]) end
  write()
  save((made and '1' or '0') .. table.concat(outcomes))
end
local answer = noted()
local holder = call('HMGET', STATE, 'owned', 'session', 'heard')
answer[5], answer[6], answer[7], answer[8] = made and 1 or 0, holder[1] and 1 or 0, holder[2] or '', holder[3] or ''
for i = 1, #outcomes do answer[8 + i] = outcomes[i] end
return answer
