#!lua flags=allow-oom
-- Releases the lease of the leading controller, unless another one holds it.
--
-- KEYS 1    {splitleaf:control}:leader      name of the leader
-- KEYS 2    {splitleaf:control}:statement   what it says
-- ARGV      name
-- Returns   1 if it was this controller's
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
redis.call('DEL', KEYS[1], KEYS[2])
return 1
