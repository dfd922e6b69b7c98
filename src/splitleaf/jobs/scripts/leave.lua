#!lua flags=allow-oom
-- Removes a consumer from the group, unless it has pending entries, which would be dropped with it.
--
-- KEYS 1    {q:V}:s:P   a stream
-- KEYS 2    {q:V}:w     workers (zset: last seen)
-- ARGV      consumer
-- Returns   1 if it is gone
-- uses: finalize
redis.call('ZREM', KEYS[2], ARGV[1])
local pending = redis.pcall('XPENDING', KEYS[1], GROUP, '-', '+', 1, ARGV[1])
if pending.err or #pending > 0 then
  return 0
end
redis.call('XGROUP', 'DELCONSUMER', KEYS[1], GROUP, ARGV[1])
return 1
