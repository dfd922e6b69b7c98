#!lua flags=allow-oom
-- Takes or renews the lease of the leading controller, and stores its statement for as long. Allowed when memory is
-- short, because guardrails must work then, too.
--
-- KEYS 1    {splitleaf:control}:leader      name of the leader
-- KEYS 2    {splitleaf:control}:statement   what it says (JSON)
-- ARGV      name, time to live ms, statement or ''
-- Returns   1 if this controller leads now
local leader = redis.call('GET', KEYS[1])
if leader and leader ~= ARGV[1] then
  -- A lease that ends later than a new one would was taken before the clock went back.
  redis.call('PEXPIRE', KEYS[1], ARGV[2], 'LT')
  redis.call('PEXPIRE', KEYS[2], ARGV[2], 'LT')
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
if ARGV[3] ~= '' then
  redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[2])
elseif not leader then
  redis.call('DEL', KEYS[2])
end
return 1
