#!lua flags=allow-oom
-- Stores a worker's report with a time to live. Allowed when memory is short, because readiness depends on it.
--
-- KEYS 1    splitleaf:workers        set of all workers
-- KEYS 2    splitleaf:worker:NAME    the report
-- ARGV      name, report (JSON), time to live ms
-- uses: aside
set_key_aside(KEYS[1], 'set', redis.call('TIME')[1] * 1000)
redis.call('SADD', KEYS[1], ARGV[1])
return redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
