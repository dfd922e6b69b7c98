#!lua flags=allow-oom
-- Recovers the tasks of one version: expired leases, too many deliveries, deadlines. Quarantines unknown data. A task
-- ends at most one lease after its deadline, even if a worker holds it. Forgets a version that nothing is left of.
--
-- KEYS 1-3  {q:V}:s:0 .. s:2    streams of the priorities
-- KEYS 4    {q:V}:dead          dead letters
-- KEYS 5    {q:V}:m             meters
-- ARGV      channel, results' ttl ms, lease ms, most deliveries, most entries a round, failure (JSON),
--           dead letters' life ms, most dead letters
-- Also      {q:V}:suspects:P    entries to be handed out one at a time; {q:V}:bell; {q:V}:w, {q:V}:peers; splitleaf:versions;
--                               the keys of finalize.lua
-- Returns   {handed back, dead-lettered, expired, set aside so far}
-- uses: finalize
local channel, ttl_ms, lease_ms = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local most_deliveries, limit = tonumber(ARGV[4]), tonumber(ARGV[5])
local now = now_ms()
local lines = {}
local suspected, buried, expired = 0, 0, 0

local function expire(prefix, stream, entry, fields, deliveries)
  local document
  if is_task(fields) then
    document = finalize(prefix, stream, entry[1], fields.i, 'expired', 'null', deliveries, now, ttl_ms)
  else
    document = set_entry_aside(prefix, stream, entry, fields, deliveries, now, ttl_ms)
  end
  if document then
    expired = expired + 1
    lines[#lines + 1] = fields.i .. document
  end
end

-- Returns whether an entry can only be ended: its deadline has passed, its record is missing, or it is not a task.
local function is_over(prefix, entry, fields)
  local deadline = is_task(fields) and deadline_of(prefix, entry, fields, now)
  return not deadline or deadline <= now
end

local function bury(prefix, stream, entry, fields, deliveries)
  local record = redis.pcall('HMGET', prefix .. 't:' .. fields.i, 'e', 'x')
  local document = finalize(prefix, stream, entry[1], fields.i, 'failed', ARGV[6], deliveries, now, ttl_ms, true)
  if not document then
    return
  end
  lines[#lines + 1] = fields.i .. document
  buried = buried + 1
  local letter = {'i', fields.i, 'n', deliveries, 'why', 'lease lost', 't', string.format('%d', now),
    'l', string.format('%d', fields.d - fields.c), 'o', stream:sub(-1), 'h', fields.h,
    'x', record[1] == entry[1] and record[2] or '{}'}
  if fields.k then
    redis.call('PEXPIRE', fields.k, ARGV[7])
    letter[#letter + 1] = 'k'
    letter[#letter + 1] = fields.k
  else
    letter[#letter + 1] = 'p'
    letter[#letter + 1] = fields.p
  end
  redis.call('XADD', KEYS[4], 'MAXLEN', ARGV[8], '*', unpack(letter))
end

local function suspect(prefix, stream, token, id, owner)
  local list = prefix .. 'suspects:' .. stream:sub(-1)
  if owner == NOBODY then
    local returned = prefix .. 'returned:' .. stream:sub(-1)
    if redis.call('LPOS', list, token) or redis.call('LPOS', returned, token) then
      return
    end
  end
  redis.call('XCLAIM', stream, GROUP, NOBODY, 0, token, 'IDLE', 0, 'JUSTID')
  redis.call('RPUSH', list, token)
  redis.call('HDEL', prefix .. 't:' .. id, 's')
  suspected = suspected + 1
end

-- A lease counts from its last renewal. If the clock went back, that time is in the future, and the entry shows as idle
-- for 0 ms. Counting from now delays recovery by one lease at most.
local function renew_leases_of_the_future(stream)
  local pending = redis.pcall('XPENDING', stream, GROUP, '-', '+', limit)
  for _, held in ipairs(pending) do
    if tonumber(held[3]) == 0 then
      redis.call('XCLAIM', stream, GROUP, held[2], 0, held[1], 'IDLE', 0, 'JUSTID')
    end
  end
end

local function look_after_leases(prefix, stream)
  local pending = redis.pcall('XPENDING', stream, GROUP, 'IDLE', lease_ms, '-', '+', limit)
  if pending.err then
    return
  end
  for _, lost in ipairs(pending) do
    local token, owner, deliveries = lost[1], lost[2], tonumber(lost[4])
    local entry = redis.call('XRANGE', stream, token, token)[1]
    if not entry then
      redis.call('XACK', stream, GROUP, token)
    else
      local fields = fields_of(entry)
      if is_over(prefix, entry, fields) then
        expire(prefix, stream, entry, fields, deliveries)
      elseif deliveries >= most_deliveries and owner ~= NOBODY then
        bury(prefix, stream, entry, fields, deliveries)
      else
        suspect(prefix, stream, token, fields.i, owner)
      end
    end
  end
end

-- A worker that hangs renews its leases indefinitely, so its task would never end.
local function look_after_hung(prefix, stream)
  local pending = redis.pcall('XPENDING', stream, GROUP, '-', '+', limit)
  for _, held in ipairs(pending) do
    local entry = redis.call('XRANGE', stream, held[1], held[1])[1]
    local fields = entry and fields_of(entry)
    local deadline = fields and is_task(fields) and (deadline_of(prefix, entry, fields, now) or tonumber(fields.d))
    if deadline and deadline + lease_ms > now then
      if tonumber(fields.c) <= now then
        return
      end
      -- Accepted before the clock went back: later ones may be, too.
    elseif fields then
      expire(prefix, stream, entry, fields, tonumber(held[4]))
    end
  end
end

local function last_delivered(stream)
  local groups = redis.pcall('XINFO', 'GROUPS', stream)
  for _, group in ipairs(groups) do
    for i = 1, #group, 2 do
      if group[i] == 'last-delivered-id' then
        return '(' .. group[i + 1]
      end
    end
  end
  return '-'
end

local function look_after_deadlines(prefix, stream)
  for _, entry in ipairs(redis.call('XRANGE', stream, last_delivered(stream), '+', 'COUNT', limit)) do
    local fields = fields_of(entry)
    if is_over(prefix, entry, fields) then
      expire(prefix, stream, entry, fields, 0)
    end
  end
end

local function set_foreign_keys_aside(prefix)
  local kinds = {m = 'hash', w = 'zset', bell = 'list', feed = 'stream', dead = 'stream', aside = 'stream',
    peers = 'zset'}
  for priority = 0, 2 do
    kinds['s:' .. priority] = 'stream'
    kinds['suspects:' .. priority] = 'list'
    kinds['returned:' .. priority] = 'list'
  end
  for name, kind in pairs(kinds) do
    if set_key_aside(prefix .. name, kind, now) then
      note_aside(prefix)
    end
  end
end

-- Removes a version in which there is nothing to look for. The next submit adds it again.
local function forget_if_unused(prefix)
  for _, name in ipairs({'s:0', 's:1', 's:2', 'feed', 'dead'}) do
    if redis.call('XLEN', prefix .. name) > 0 then
      return
    end
  end
  -- No result is kept this long after the recorders read its final state from the feed.
  local since = now - 2 * (RECORDED_WITHIN_MS + ttl_ms)
  for _, name in ipairs({'w', 'peers'}) do
    if redis.call('ZCOUNT', prefix .. name, string.format('%d', since), '+inf') > 0 then
      return
    end
  end
  for _, name in ipairs({'s:0', 's:1', 's:2', 'feed'}) do
    if tonumber(last_delivered(prefix .. name):match('%d+') or 0) > since then
      return
    end
  end
  redis.pcall('SREM', 'splitleaf:versions', prefix:sub(4, -3))
end

local prefix = parts_of(KEYS[1])
set_foreign_keys_aside(prefix)
for i = 1, 3 do
  if redis.call('XLEN', KEYS[i]) > 0 then
    renew_leases_of_the_future(KEYS[i])
    look_after_leases(prefix, KEYS[i])
    look_after_hung(prefix, KEYS[i])
    look_after_deadlines(prefix, KEYS[i])
    if suspected > 0 then
      wake_worker(prefix)
    end
  end
end
announce(channel, lines)
forget_if_unused(prefix)
return {suspected, buried, expired, tonumber(redis.call('HGET', KEYS[5], 'aside') or '') or 0}
