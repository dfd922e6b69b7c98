#!lua flags=allow-oom
-- Makes `canceled` the final state unless there is one, or the deadline came first.
--
-- KEYS 1    {q:V}:t:ID   record of the open task
-- KEYS 2    {q:V}:r:ID   its final state
-- ARGV      channel, results' ttl ms, id, prefix {q:V}:
-- Also      {q:V}:s:P    the task's stream; the keys of finalize.lua
-- Returns   the final state (JSON), or false when the version does not know the id
-- uses: finalize
local there = redis.call('GET', KEYS[2])
if there then
  return there
end
local record = redis.call('HMGET', KEYS[1], 'e', 'p', 'd', 's')
if not record[1] then
  return false
end
local now, prefix, id = now_ms(), ARGV[4], ARGV[3]
local status = (not record[4] and tonumber(record[3]) <= now) and 'expired' or 'canceled'
local stream = prefix .. 's:' .. record[2]
local document = finalize(prefix, stream, record[1], id, status, 'null', 0, now, tonumber(ARGV[2]))
if document then
  announce(ARGV[1], {id .. document})
end
return document or false
