#!lua
-- Counts one request of a client, unless the rate limit is reached (generic cell rate algorithm).
--
-- KEYS 1    splitleaf:rate:NAME:CLIENT   theoretical arrival time of the next request, ms; has a time to live
-- ARGV      window ms, interval ms
-- Returns   {1 if allowed, due ms, now ms}, the times as texts
local window, interval = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local stored = tonumber(redis.call('GET', KEYS[1]) or 0)
-- A client owes at most one window. A larger value was written before the clock went back.
local due = math.min(math.max(stored, now), now + window)
-- The division of the window may have lost up to a thousandth of a millisecond.
local allowed = due + interval - now <= window + 0.001
if allowed then
  due = due + interval
end
if allowed or due < stored then
  redis.call('SET', KEYS[1], string.format('%.3f', due), 'PX', math.ceil(due - now))
end
return {allowed and 1 or 0, string.format('%.3f', due), string.format('%.3f', now)}
