#!lua flags=allow-oom
-- Makes `canceled` the final state unless there is one, or the deadline came first.
--
-- ARGV      channel, results' ttl ms, id
-- Also      {q:V}:s:P    the task's stream; the keys of finalize.lua
-- Returns   the final state (JSON), or false for an id that no version knows
-- uses: finalize
local now, id = now_ms(), ARGV[3]
local prefix = prefix_of(id)
if not prefix then
  return false
end
local there = redis.pcall('GET', prefix .. 'r:' .. id)
if type(there) == 'string' then
  return there
end
local record = redis.pcall('HMGET', prefix .. 't:' .. id, 'e', 'p')
if record.err or not (record[1] or ''):match('^%d+-%d+$') or not (record[2] or ''):match('^[012]$') then
  return false
end
-- Past its deadline it ends as `expired` all the same.
local stream = prefix .. 's:' .. record[2]
local document = finalize(prefix, stream, record[1], id, 'canceled', 'null', 0, now, tonumber(ARGV[2]))
if document then
  announce(ARGV[1], {id .. document})
end
return document or false
