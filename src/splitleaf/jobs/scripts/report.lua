#!lua flags=allow-oom
-- Keeps a worker's report for a while. Also when memory is short: who is there decides about readiness.
--
-- KEYS 1    splitleaf:workers        set of all workers
-- KEYS 2    splitleaf:worker:NAME    the report
-- ARGV      name, report (JSON), time to live ms
-- uses: aside
set_key_aside(KEYS[1], 'set', redis.call('TIME')[1] * 1000)
redis.call('SADD', KEYS[1], ARGV[1])
return redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
