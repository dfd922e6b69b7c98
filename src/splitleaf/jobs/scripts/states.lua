#!lua flags=no-writes
-- Looks up ids. Reads results and records at one moment, so that a task that is becoming final is never missed.
--
-- ARGV      ids
-- Also      the keys of ids.lua
-- Returns   {now ms, for each id: its final state (JSON) | {version, created, deadline, started, priority, context} | false}
-- uses: ids
local time = redis.call('TIME')
local answer = {time[1] * 1000 + math.floor(time[2] / 1000)}

local function look_up(id)
  local prefix = prefix_of(id)
  if not prefix then
    return false
  end
  local document = redis.pcall('GET', prefix .. 'r:' .. id)
  if type(document) == 'string' then
    return document
  end
  local record = redis.pcall('HMGET', prefix .. 't:' .. id, 'e', 'c', 'd', 's', 'p', 'x')
  if record.err or not record[1] then
    return false
  end
  record[1] = prefix:sub(4, -3)
  return record
end

for i, id in ipairs(ARGV) do
  answer[i + 1] = look_up(id)
end
return answer
