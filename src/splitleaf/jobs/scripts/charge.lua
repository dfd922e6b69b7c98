#!lua
-- Counts one request of a client, unless it has none left (generic cell rate algorithm).
--
-- KEYS 1    splitleaf:rate:NAME:CLIENT   when all that was asked for would have been due, ms; lapses by itself
-- ARGV      window ms, interval ms
-- Returns   {1 if allowed, due ms, now ms}, the times as texts
local window, interval = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local stored = tonumber(redis.call('GET', KEYS[1]) or 0)
-- Nobody can owe more than a window: what says so was written before the clock went back.
local due = math.min(math.max(stored, now), now + window)
-- A thousandth of a millisecond is what the division of the window may have lost.
local allowed = due + interval - now <= window + 0.001
if allowed then
  due = due + interval
end
if allowed or due < stored then
  redis.call('SET', KEYS[1], string.format('%.3f', due), 'PX', math.ceil(due - now))
end
return {allowed and 1 or 0, string.format('%.3f', due), string.format('%.3f', now)}
