-- Shared by the scripts that accept work: how long it would wait. Placed in front of them when they are loaded.
--
-- The versions of a worker take turns of a batch each, and of 20 turns interactive work is first in 16, batch work in 3
-- and shadow work in 1 (fairness.py). So a lane (a version's stream of one priority) is sure of a share of its workers,
-- whatever is accepted beside it later on. A lane that holds no more than its share does in time is answered in time.
--
-- {q:V}:s:P    streams of the priorities
-- {q:V}:m      meters (hash): svc service time of a task ms, cap most tasks of a batch
-- {q:V}:peers  versions that the workers of V serve, V itself among them (zset: last seen)
local TURNS = {16, 3, 1}

-- An expected version is one that may be asked for at any moment: its interactive lane counts as busy.
local function read_version(prefix, is_expected, otherwise_ms)
  local meters = redis.call('HMGET', prefix .. 'm', 'svc', 'cap')
  local cap = tonumber(meters[2]) or 1
  local one = {cap = cap, turn_ms = (tonumber(meters[1]) or otherwise_ms) * cap, length = {}, is_busy = {}}
  for p = 1, 3 do
    one.length[p] = redis.call('XLEN', prefix .. 's:' .. p - 1)
    one.is_busy[p] = one.length[p] > 0 or (p == 1 and is_expected)
  end
  return one
end

-- Returns what the workers of a version serve, that version first.
local function read_versions(prefix, seen_after, now, expected)
  local own = read_version(prefix, false, 0)
  local versions, name = {own}, prefix:sub(4, -3)
  for _, peer in ipairs(redis.call('ZRANGEBYSCORE', prefix .. 'peers', seen_after, now)) do
    if peer ~= name then
      versions[#versions + 1] = read_version('{q:' .. peer .. '}:', expected[peer], own.turn_ms / own.cap)
    end
  end
  return versions
end

-- Returns the time of a round ms: a turn of each busy version, and the turns of other priorities that come between.
local function round_ms(versions, own, p)
  local turn_ms, busy = {0, 0, 0}, {0, 0, 0}
  for _, one in ipairs(versions) do
    for q = 1, 3 do
      if one.is_busy[q] or (one == own and q == p) then
        turn_ms[q] = turn_ms[q] + one.turn_ms
        busy[q] = busy[q] + 1
      end
    end
  end
  local round = turn_ms[p]
  for q = 1, 3 do
    if q ~= p and busy[q] > 0 then
      round = round + busy[p] * TURNS[q] / TURNS[p] * turn_ms[q] / busy[q]
    end
  end
  return round
end

-- Returns the wait ms of one more task of a lane, and the time ms in which the lane is sure to do one. An empty lane
-- has no wait: whatever was measured of it, the next task measures it anew.
local function expected_wait(versions, own, p, workers)
  local task_ms = round_ms(versions, own, p) / own.cap / workers
  return own.length[p] * task_ms, task_ms
end

-- Returns the longest wait ms of those who wait for their answers.
local function longest_wait(versions, workers)
  local longest = 0
  for _, one in ipairs(versions) do
    longest = math.max(longest, (expected_wait(versions, one, 1, workers)))
  end
  return longest
end
