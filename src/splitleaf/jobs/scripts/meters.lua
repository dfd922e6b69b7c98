-- Shared by the scripts that count the bytes of a version; prepended to them when they are loaded.
--
-- {q:V}:m   meters (hash): b bytes admitted and not finished, svc smoothed service time, fenced, aside

-- Adds to the byte count. No task fails because of a malformed meter, and the count never becomes negative.
local function count_bytes(meters, change)
  local held = redis.pcall('HINCRBY', meters, 'b', string.format('%d', change))
  if type(held) ~= 'number' or held < 0 then
    redis.pcall('HSET', meters, 'b', string.format('%d', math.max(0, change)))
  end
end
