#!lua flags=allow-oom
-- Adds versions to the set that scripts search for ids. Allowed when memory is short, because workers start then, too.
--
-- KEYS 1    splitleaf:versions   set of all versions
-- ARGV      versions
-- uses: aside
set_key_aside(KEYS[1], 'set', redis.call('TIME')[1] * 1000)
return redis.call('SADD', KEYS[1], unpack(ARGV))
