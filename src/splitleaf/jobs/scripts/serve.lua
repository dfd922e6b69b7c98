#!lua flags=allow-oom
-- Records which versions share a worker. Allowed when memory is short, because admission depends on it.
--
-- KEYS      {q:V}:peers   for each version: versions that its workers serve (zset: last seen)
-- ARGV      for each version: name, most tasks of a batch
-- Also      {q:V}:m       meters (hash): cap most tasks of a batch
-- uses: aside
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for i, peers in ipairs(KEYS) do
  local prefix = peers:sub(1, -6)
  if set_key_aside(peers, 'zset', now) or set_key_aside(prefix .. 'm', 'hash', now) then
    note_aside(prefix)
  end
  for j = 1, #ARGV, 2 do
    redis.call('ZADD', peers, now, ARGV[j])
  end
  redis.call('HSET', prefix .. 'm', 'cap', ARGV[2 * i])
end
return #KEYS
