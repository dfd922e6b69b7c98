#!lua flags=allow-oom
-- Makes a batch's results final, once each, and announces them.
--
-- KEYS 1-3  {q:V}:s:0 .. s:2  streams of the priorities
-- KEYS 4    {q:V}:m           meters
-- KEYS 5    {q:V}:w           workers (zset: last seen)
-- ARGV      channel, results' ttl ms, consumer, service time of a task ms or '', smoothing, then for each
--           task: priority, entry, id, deliveries, status, result (JSON)
-- Also      the keys of finalize.lua
-- Returns   how many results counted
-- uses: finalize
local channel, ttl_ms, consumer, sample_ms = ARGV[1], tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])
local now = now_ms()
local lines, count = {}, 0
for i = 6, #ARGV, 6 do
  local stream = KEYS[tonumber(ARGV[i]) + 1]
  local prefix = parts_of(stream)
  local document = finalize(prefix, stream, ARGV[i + 1], ARGV[i + 2], ARGV[i + 4], ARGV[i + 5],
    tonumber(ARGV[i + 3]), now, ttl_ms)
  count = count + 1
  if document then
    lines[#lines + 1] = ARGV[i + 2] .. document
  end
end
announce(channel, lines)
-- The results are final. An error in a meter must not make the caller believe that they were refused.
if #lines < count then
  redis.pcall('HINCRBY', KEYS[4], 'fenced', count - #lines)
end
if sample_ms then
  local before = tonumber(redis.pcall('HGET', KEYS[4], 'svc') or '') or sample_ms
  redis.pcall('HSET', KEYS[4], 'svc', string.format('%.4f', before + tonumber(ARGV[5]) * (sample_ms - before)))
end
redis.pcall('ZADD', KEYS[5], now, consumer)
return #lines
