-- Shared by the scripts that count what a version holds; placed in front of them when they are loaded.
--
-- {q:V}:m   meters (hash): b bytes admitted and not finished, svc smoothed service time, fenced, aside

-- Counts bytes that came or went. Whatever stands in the meter, no task fails of it, and the count never falls below nothing.
local function count_bytes(meters, change)
  local held = redis.pcall('HINCRBY', meters, 'b', string.format('%d', change))
  if type(held) ~= 'number' or held < 0 then
    redis.pcall('HSET', meters, 'b', string.format('%d', math.max(0, change)))
  end
end
