#!lua
-- Accepts a task once. Refused as a whole by a broker that is out of memory, before anything is written.
--
-- KEYS 1-3  {q:V}:s:0 .. s:2  streams of the priorities
-- KEYS 4    {q:V}:t:ID        record of the open task
-- KEYS 5    {q:V}:r:ID        its final state
-- KEYS 6    {q:V}:m           meters
-- KEYS 7    {q:V}:feed        final states not yet recorded
-- KEYS 8    {q:V}:w           workers (zset: last seen)
-- KEYS 9    {q:V}:bell        wakes one blocked worker
-- KEYS 10   {q:V}:b:ID:NONCE  the pixels, where they are too large for the entry (written just before)
-- ARGV      priority, id, ttl ms, context, header, pixels, bytes, most waiting, most bytes, most unrecorded,
--           share of the bounds, share of the deadline, further life of the pixels ms, worker silence ms
-- Returns   {1, created ms, 1 if the version is new} | {0} known already | {-1, bound, expected wait ms}
local priority, id, ttl_ms = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])
local bytes, share = tonumber(ARGV[7]), tonumber(ARGV[11])
local pixels_key = KEYS[10]

local function refuse(answer)
  if pixels_key then
    redis.call('UNLINK', pixels_key)
  end
  return answer
end

if redis.call('EXISTS', KEYS[4], KEYS[5]) > 0 then
  return refuse({0})
end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local meters = redis.call('HMGET', KEYS[6], 'b', 'svc')
local depth, ahead = 0, 0
for i = 1, 3 do
  local length = redis.call('XLEN', KEYS[i])
  depth = depth + length
  if i - 1 <= priority then
    ahead = ahead + length
  end
end
local wait_ms = 0
if meters[2] then
  local workers = redis.call('ZCOUNT', KEYS[8], now - tonumber(ARGV[14]), now)
  wait_ms = workers > 0 and ahead * tonumber(meters[2]) / workers or 0
end

if depth >= tonumber(ARGV[8]) * share then
  return refuse({-1, 'count', math.floor(wait_ms)})
elseif (tonumber(meters[1]) or 0) + bytes > tonumber(ARGV[9]) * share then
  return refuse({-1, 'bytes', math.floor(wait_ms)})
elseif wait_ms > tonumber(ARGV[12]) * share * ttl_ms then
  return refuse({-1, 'time', math.floor(wait_ms)})
elseif redis.call('XLEN', KEYS[7]) >= tonumber(ARGV[10]) then
  return refuse({-1, 'unrecorded', 0})
end

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
redis.call('PEXPIRE', KEYS[4], ttl_ms + 86400000)
redis.call('HINCRBY', KEYS[6], 'b', bytes)
if redis.call('LLEN', KEYS[9]) == 0 then
  redis.call('LPUSH', KEYS[9], '1')
end
return {1, now, meters[1] and 0 or 1}
