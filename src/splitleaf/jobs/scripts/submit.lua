#!lua
-- Accepts a task once. Refused as a whole by a broker that is out of memory, before anything is written.
--
-- KEYS 1-3  {q:V}:s:0 .. s:2  streams of the priorities
-- KEYS 4    {q:V}:t:ID        record of the open task
-- KEYS 5    {q:V}:m           meters
-- KEYS 6    {q:V}:feed        final states not yet recorded
-- KEYS 7    {q:V}:w           workers (zset: last seen)
-- KEYS 8    {q:V}:bell        wakes one blocked worker
-- KEYS 9    {q:V}:b:ID:NONCE  the pixels, where they are too large for the entry (written just before)
-- ARGV      priority, id, ttl ms, context, header, pixels, bytes, most waiting, most bytes, most unrecorded,
--           share of the bounds, share of the deadline, further life of the pixels ms, worker silence ms, then
--           each version that may be asked for at any moment
-- Also      the keys of ids.lua and admission.lua
-- Returns   {1, created ms, expected wait ms, room, task ms} | {0} known already, of whichever version |
--           {-1, bound, expected wait ms, room, task ms}; room: how many more tasks of this size would be accepted,
--           task ms (text): the time in which this priority of the version is sure to do one, '0' if unknown
-- uses: ids, meters, admission
local priority, id, ttl_ms = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])
local bytes, share = tonumber(ARGV[7]), tonumber(ARGV[11])
local pixels_key = KEYS[9]

local function refuse(answer)
  if pixels_key then
    redis.call('UNLINK', pixels_key)
  end
  return answer
end

if prefix_of(id) then
  return refuse({0})
end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local meters = redis.call('HMGET', KEYS[5], 'b', 'svc')
local depth = 0
for i = 1, 3 do
  depth = depth + redis.call('XLEN', KEYS[i])
end
local most, most_bytes = tonumber(ARGV[8]) * share, tonumber(ARGV[9]) * share
local held_bytes = tonumber(meters[1] or '') or 0
local room = math.min(most - depth, (most_bytes - held_bytes) / math.max(bytes, 1))
local limit_ms, wait_ms, task_ms = tonumber(ARGV[12]) * share * ttl_ms, 0, 0
local seen_after = now - tonumber(ARGV[14])
local workers = redis.call('ZCOUNT', KEYS[7], seen_after, now)
if meters[2] and workers > 0 then
  local expected = {}
  for i = 15, #ARGV do
    expected[ARGV[i]] = true
  end
  local versions = read_versions(KEYS[4]:sub(1, -3 - #id), seen_after, now, expected)
  wait_ms, task_ms = expected_wait(versions, versions[1], priority + 1, workers)
  if priority == 2 then
    -- Shadow work is shed before it delays interactive work.
    wait_ms = math.max(wait_ms, longest_wait(versions, workers))
  end
  room = math.min(room, (limit_ms - wait_ms) / math.max(task_ms, 0.001))
end
local is_full_by = depth >= most and 'count' or held_bytes + bytes > most_bytes and 'bytes'
  or wait_ms > limit_ms and 'time' or redis.call('XLEN', KEYS[6]) >= tonumber(ARGV[10]) and 'unrecorded'
local task_text = string.format('%.4f', task_ms)
if is_full_by then
  return refuse({-1, is_full_by, math.floor(wait_ms), math.min(0, math.floor(room)), task_text})
end

-- From here on nothing can fail: every key that may have the wrong type was read above.
local is_quiet = redis.call('LLEN', KEYS[8]) == 0
local deadline = string.format('%d', now + ttl_ms)
local created = string.format('%d', now)
local place, pixels = 'p', ARGV[6]
if pixels_key then
  place, pixels = 'k', pixels_key
  redis.call('PEXPIRE', pixels_key, ttl_ms + tonumber(ARGV[13]))
end
local entry = redis.call('XADD', KEYS[priority + 1], '*',
  'i', id, 'c', created, 'd', deadline, 'h', ARGV[5], place, pixels)
redis.call('HSET', KEYS[4], 'c', created, 'd', deadline, 'p', ARGV[1], 'e', entry, 'b', ARGV[7], 'x', ARGV[4])
if pixels_key then
  redis.call('HSET', KEYS[4], 'k', pixels_key)
end
count_bytes(KEYS[5], bytes)
redis.call('SADD', 'splitleaf:versions', KEYS[1]:sub(4, -6))
if is_quiet then
  redis.call('LPUSH', KEYS[8], '1')
end
return {1, now, math.floor(wait_ms), math.max(0, math.floor(room) - 1), task_text}
