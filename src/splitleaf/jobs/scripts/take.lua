#!lua flags=allow-oom
-- Claims what waits in the first of the streams that has something, and marks it as running.
--
-- KEYS      {q:V}:s:P           streams, in the order in which to look
-- ARGV      consumer, channel, results' ttl ms, then for each stream how many tasks at most
-- Also      {q:V}:suspects:P    entries whose worker fell silent: handed out one at a time, so that one
--                               that kills its worker takes no other down
--           {q:V}:returned:P    entries that were given back unfinished
--           {q:V}:w             workers (zset: last seen); the keys of finalize.lua
-- Returns   {number of the stream, now ms, 1 if more may wait, {entry, deliveries, fields, context}...} or {}
-- uses: finalize
local consumer, channel, ttl_ms = ARGV[1], ARGV[2], tonumber(ARGV[3])
local now = now_ms()
local expired = {}

local function with_deadline(flat, deadline)
  for i = 1, #flat, 2 do
    if flat[i] == 'd' then
      flat[i + 1] = string.format('%d', deadline)
    end
  end
  return flat
end

local function keep_if_alive(claims, prefix, stream, entry, deliveries)
  local fields, document = fields_of(entry), nil
  if not is_task(fields) then
    document = set_entry_aside(prefix, stream, entry, fields, deliveries - 1, now, ttl_ms)
  else
    local deadline, context = deadline_of(prefix, entry, fields, now)
    if deadline and deadline > now then
      claims[#claims + 1] = {entry[1], deliveries, with_deadline(entry[2], deadline), context}
      redis.call('HSET', prefix .. 't:' .. fields.i, 's', string.format('%d', now))
      return
    end
    document = finalize(prefix, stream, entry[1], fields.i, 'expired', 'null', deliveries - 1, now, ttl_ms)
  end
  if document then
    expired[#expired + 1] = fields.i .. document
  end
end

-- Takes up to `cap` entries that belong to nobody from a list of tokens.
local function take_listed(claims, list, prefix, stream, cap)
  while #claims < cap do
    local token = redis.call('LPOP', list)
    if not token then
      return
    end
    local deliveries = held_by(stream, token, NOBODY)
    if deliveries then
      local entries = redis.call('XCLAIM', stream, GROUP, consumer, 0, token)
      if entries[1] then
        keep_if_alive(claims, prefix, stream, entries[1], deliveries + 1)
      end
    end
  end
end

local function read_group(stream, count)
  local answer = redis.pcall('XREADGROUP', 'GROUP', GROUP, consumer, 'COUNT', count, 'STREAMS', stream, '>')
  if answer and answer.err then
    -- The group is made by whoever looks first, and made again after a FLUSHALL.
    redis.call('XGROUP', 'CREATE', stream, GROUP, '0', 'MKSTREAM')
    answer = redis.call('XREADGROUP', 'GROUP', GROUP, consumer, 'COUNT', count, 'STREAMS', stream, '>')
  end
  return answer and answer[1] and answer[1][2] or {}
end

local function take_new(claims, prefix, stream, cap)
  while #claims < cap do
    local wanted = cap - #claims
    local entries = read_group(stream, wanted)
    for _, entry in ipairs(entries) do
      keep_if_alive(claims, prefix, stream, entry, 1)
    end
    if #entries < wanted then
      return false
    end
  end
  return true
end

local function take_from(stream, cap)
  local prefix, priority = parts_of(stream)
  local claims = {}
  take_listed(claims, prefix .. 'suspects:' .. priority, prefix, stream, 1)
  if #claims > 0 then
    return claims, true, prefix
  end
  take_listed(claims, prefix .. 'returned:' .. priority, prefix, stream, cap)
  local more = take_new(claims, prefix, stream, cap)
  return claims, more, prefix
end

local function reply(index, claims, more, prefix)
  local started = {}
  for i, claim in ipairs(claims) do
    started[i] = claim[3][2] .. '~' .. string.format('%d', now)
  end
  announce(channel, started)
  redis.pcall('ZADD', prefix .. 'w', now, consumer)
  if more then
    wake_worker(prefix)
  end
  return {index, now, more and 1 or 0, claims}
end

for index, stream in ipairs(KEYS) do
  if redis.call('XLEN', stream) > 0 then
    local claims, more, prefix = take_from(stream, tonumber(ARGV[3 + index]))
    if #claims > 0 then
      announce(channel, expired)
      return reply(index, claims, more, prefix)
    end
  else
    -- Tokens of entries that an unresponsive worker finished late. They would count as waiting indefinitely.
    local prefix, priority = parts_of(stream)
    redis.call('DEL', prefix .. 'suspects:' .. priority, prefix .. 'returned:' .. priority)
  end
end
announce(channel, expired)
for _, stream in ipairs(KEYS) do
  redis.pcall('ZADD', parts_of(stream) .. 'w', now, consumer)
end
return {}
