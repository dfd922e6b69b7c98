#!lua flags=no-writes
-- Counts what one version's streams hold.
--
-- KEYS 1-3  {q:V}:s:0 .. s:2  streams of the priorities
-- KEYS 4    {q:V}:m           meters
-- KEYS 5    {q:V}:dead        dead letters
-- Also      {q:V}:suspects:P, {q:V}:returned:P
-- Returns   {bytes, dead letters, {waiting, running, age of the oldest that waits ms} for each priority}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local answer = {tonumber(redis.call('HGET', KEYS[4], 'b')) or 0, redis.call('XLEN', KEYS[5])}

local function group_of(stream)
  local groups = redis.pcall('XINFO', 'GROUPS', stream)
  local facts = {['pending'] = 0, ['last-delivered-id'] = '-'}
  for _, group in ipairs(groups) do
    for i = 1, #group, 2 do
      facts[group[i]] = group[i + 1]
    end
  end
  return facts
end

-- By the time that the task carries: the stream counts on from its newest entry when the clock has gone back.
local function age_of(entry)
  for i = 1, entry and #entry[2] or 0, 2 do
    if entry[2][i] == 'c' then
      return now - tonumber(entry[2][i + 1])
    end
  end
  return 0
end

for i = 1, 3 do
  local stream = KEYS[i]
  local prefix, priority = stream:sub(1, -4), stream:sub(-1)
  local facts = group_of(stream)
  local set_aside = redis.call('LLEN', prefix .. 'suspects:' .. priority)
    + redis.call('LLEN', prefix .. 'returned:' .. priority)
  local waiting = redis.call('XLEN', stream) - facts.pending
  local after = facts['last-delivered-id']
  local first = waiting > 0 and redis.call('XRANGE', stream, after == '-' and '-' or '(' .. after, '+', 'COUNT', 1)[1]
  local oldest = age_of(first)
  for _, list in ipairs({'suspects:', 'returned:'}) do
    local token = redis.call('LINDEX', prefix .. list .. priority, 0)
    oldest = token and math.max(oldest, age_of(redis.call('XRANGE', stream, token, token)[1])) or oldest
  end
  answer[#answer + 1] = {waiting + set_aside, math.max(0, facts.pending - set_aside), math.max(0, oldest)}
end
return answer
