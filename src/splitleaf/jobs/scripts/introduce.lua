#!lua flags=allow-oom
-- Makes versions known to those who look for ids. Also when memory is short: workers start then, too.
--
-- KEYS 1    splitleaf:versions   set of all versions
-- ARGV      versions
return redis.call('SADD', KEYS[1], unpack(ARGV))
