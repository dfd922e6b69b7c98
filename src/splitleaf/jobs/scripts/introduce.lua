#!lua flags=allow-oom
-- Makes versions known to those who look for ids. Also when memory is short: workers start then, too.
--
-- KEYS 1    splitleaf:versions   set of all versions
-- ARGV      versions
-- uses: aside
set_key_aside(KEYS[1], 'set', redis.call('TIME')[1] * 1000)
return redis.call('SADD', KEYS[1], unpack(ARGV))
