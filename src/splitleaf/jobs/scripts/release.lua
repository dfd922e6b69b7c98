#!lua flags=allow-oom
-- Returns unfinished entries to the queue. The delivery does not count, because no worker died.
--
-- KEYS      {q:V}:s:P          streams
-- ARGV      consumer, then for each entry: number of its stream, entry, id
-- Also      {q:V}:returned:P   entries that were given back; {q:V}:suspects:P; {q:V}:bell wakes a worker; {q:V}:t:ID
-- Returns   how many were given back
-- uses: finalize
local consumer, released = ARGV[1], 0
for i = 2, #ARGV, 3 do
  local stream, token, id = KEYS[tonumber(ARGV[i])], ARGV[i + 1], ARGV[i + 2]
  local deliveries = held_by(stream, token, consumer)
  if deliveries then
    local prefix, priority = parts_of(stream)
    redis.call('XCLAIM', stream, GROUP, NOBODY, 0, token, 'IDLE', 0, 'RETRYCOUNT', deliveries - 1, 'JUSTID')
    -- A task whose last worker died stays a suspect.
    redis.call('RPUSH', prefix .. (deliveries > 1 and 'suspects:' or 'returned:') .. priority, token)
    if id ~= '' then
      redis.call('HDEL', prefix .. 't:' .. id, 's')
    end
    wake_worker(prefix)
    released = released + 1
  end
end
return released
