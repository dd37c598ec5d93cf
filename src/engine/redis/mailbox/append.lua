-- Stores messages for one mailbox, each or none, and announces them.
--
-- KEYS  1-6 as above
-- ARGV  1-3 as above
--       4   epoch for a mailbox that is made by this call; '' makes none
--       5.. for each message: "ID SENDER ATTEMPTS BYTES", and the message as it is stored
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
if before then
  -- What was made by that call counts as new again: whoever asks may not have noted it.
  made, before = string.sub(before, 1, 1) == '1', string.sub(before, 2)
end

local function takes(bytes) return s.live + 1 <= messages_max and s.bytes + bytes <= bytes_max end

local function drop_oldest()
  local ref = oldest_live()
  local note = notes_of({ ref })[ref]
  for _, zset_and_member in ipairs({ { PENDING, ref }, { LEASED, ref }, { LEASED, 'd' .. ref } }) do
    if call('ZSCORE', zset_and_member[1], zset_and_member[2]) then
      bury(ref, zset_and_member[1], zset_and_member[2], note.attempts, 'overflowed')
      return
    end
  end
end

-- Overwrites the oldest of the history until so many bytes more fit beside it.
local function make_room(bytes)
  while s.history_bytes > 0 and s.bytes + s.history_bytes + bytes > bytes_max do overwrite(1) end
end

local outcomes = {}
if before then
  for digit in string.gmatch(before, '%d') do outcomes[#outcomes + 1] = digit end
else
  local advanced = false
  local bodies, keys = {}, {}
  -- Messages that are stored in one command each way, unless something else has to be done in between.
  local function write()
    if #keys == 0 then return end
    call('HSET', MESSAGES, unpack(bodies))
    call('ZADD', PENDING, unpack(keys))
    bodies, keys = {}, {}
  end
  for i = 5, #ARGV, 2 do
    local message = ARGV[i + 1]
    local id, sender, attempts, bytes = string.match(ARGV[i], '^(%S+) (%S+) (%d+) (%d+)$')
    local rank, _, expires, reply = string.match(message, '^(%d) (%d+) (%d+) (%S+)\n')
    bytes, rank, expires = tonumber(bytes), tonumber(rank), tonumber(expires)
    local outcome = '0'
    if bytes > bytes_max then
      outcome = '2'
    elseif not takes(bytes) then
      write()
      if not advanced then
        advance()
        advanced = true
      end
      -- A bounce drops nothing: what it dropped would bounce in turn.
      if drops_oldest and sender ~= 'mcp-broker' then
        while s.live > 0 and not takes(bytes) do drop_oldest() end
      end
      if not takes(bytes) then outcome = '1' end
    end
    if outcome == '0' then
      if s.history_bytes > 0 and s.bytes + s.history_bytes + bytes > bytes_max then make_room(bytes) end
      s.last = s.last + 1
      s.live, s.bytes = s.live + 1, s.bytes + bytes
      if expires < s.due then s.due = expires end
      local ref = s.last * 4 + rank
      bodies[#bodies + 1] = ref
      bodies[#bodies + 1] = message
      if attempts ~= '0' then
        local note = note_of(message)
        note.attempts = tonumber(attempts)
        bodies[#bodies + 1] = 'n' .. ref
        bodies[#bodies + 1] = write_note(note)
      end
      keys[#keys + 1] = key_of(ref)
      keys[#keys + 1] = ref
      announce(ref, false, id, sender, reply)
    end
    outcomes[#outcomes + 1] = outcome
  end
  write()
  save((made and '1' or '0') .. table.concat(outcomes))
end
local answer = noted()
local holder = call('HMGET', STATE, 'owned', 'session', 'heard')
answer[5], answer[6], answer[7], answer[8] = made and 1 or 0, holder[1] and 1 or 0, holder[2] or '', holder[3] or ''
for _, digit in ipairs(outcomes) do answer[#answer + 1] = digit end
return answer
