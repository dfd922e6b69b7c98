#!lua flags=allow-oom
-- Renews the leases of the entries that this consumer still holds. Does not change the delivery count.
--
-- KEYS      {q:V}:s:P   streams
-- ARGV      consumer, then for each entry: number of its stream, entry
-- Also      {q:V}:w     workers (zset: last seen)
-- Returns   how many are still held
-- uses: finalize
local consumer, held = ARGV[1], 0
for i = 2, #ARGV, 2 do
  local stream, token = KEYS[tonumber(ARGV[i])], ARGV[i + 1]
  if held_by(stream, token, consumer) then
    redis.call('XCLAIM', stream, GROUP, consumer, 0, token, 'IDLE', 0, 'JUSTID')
    held = held + 1
  end
end
local now = now_ms()
for _, stream in ipairs(KEYS) do
  redis.call('ZADD', parts_of(stream) .. 'w', now, consumer)
end
return held
