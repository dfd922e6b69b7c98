-- Shared by every script that ends a task; placed in front of them when they are loaded.
--
-- The entry in the stream is the fence: whoever deletes it (XDEL answers 1) makes the final state, and
-- that happens once, however late or often others try. The record lives exactly as long as the entry.
--
-- {q:V}:t:ID   record of an open task (hash): c created, d deadline, p priority, e entry, b bytes,
--              k key of the pixels, x context (JSON), s started
-- {q:V}:r:ID   final state (JSON), kept for the results' time to live
-- {q:V}:feed   stream of final states on their way to the outcome store
-- {q:V}:m      meters (hash): b bytes admitted and not finished, svc smoothed service time, fenced
local GROUP = 'workers'
local NOBODY = '-'

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function number_or_null(value)
  return value and string.format('%d', value) or 'null'
end

local function ring(prefix)
  local bell = prefix .. 'bell'
  if redis.call('LLEN', bell) == 0 then
    redis.call('LPUSH', bell, '1')
  end
end

local function state_document(prefix, id, status, record, deliveries, now, result)
  return table.concat({
    '{"v":1,"id":', cjson.encode(id), ',"st":"', status, '","ver":', cjson.encode(prefix:sub(4, -3)),
    ',"c":', number_or_null(record[1]), ',"s":', number_or_null(record[2]), ',"f":', string.format('%d', now),
    ',"p":', record[3] or '0', ',"n":', string.format('%d', deliveries),
    ',"x":', record[6] or 'null', ',"r":', result, '}',
  })
end

-- Returns the final state's document, or nil when somebody else was first.
local function finalize(prefix, stream, token, id, status, result, deliveries, now, ttl_ms, keep_pixels)
  redis.call('XACK', stream, GROUP, token)
  if redis.call('XDEL', stream, token) == 0 then
    return nil
  end
  local open = prefix .. 't:' .. id
  local record = redis.call('HMGET', open, 'c', 's', 'p', 'b', 'k', 'x', 'd')
  local deadline = tonumber(record[7])
  if deadline and deadline <= now and not record[2] then
    -- Readers have been told so since its deadline; a worker that was silent meanwhile comes too late.
    status, result = 'expired', 'null'
  end
  if status == 'expired' then
    now = deadline or now
  end
  redis.call('UNLINK', open)
  if record[5] and not keep_pixels then
    redis.call('UNLINK', record[5])
  end
  redis.call('HINCRBY', prefix .. 'm', 'b', -(tonumber(record[4]) or 0))
  local document = state_document(prefix, id, status, record, deliveries, now, result)
  redis.call('SET', prefix .. 'r:' .. id, document, 'PX', ttl_ms)
  redis.call('XADD', prefix .. 'feed', '*', 'd', document)
  return document
end

-- One message a script: a line for each task, its id first, so that a reader parses only what it waits for.
local function announce(channel, lines)
  if #lines > 0 then
    redis.call('PUBLISH', channel, table.concat(lines, '\n'))
  end
end

local function fields_of(entry)
  local fields = {}
  for i = 1, #entry[2], 2 do
    fields[entry[2][i]] = entry[2][i + 1]
  end
  return fields
end

-- Splits '{q:V}:s:P' into '{q:V}:' and 'P'.
local function parts_of(stream)
  return stream:sub(1, -4), stream:sub(-1)
end

-- Returns {delivery count} if the consumer holds the entry, else nil.
local function held_by(stream, token, consumer)
  local pending = redis.pcall('XPENDING', stream, GROUP, token, token, 1)
  if pending.err or #pending == 0 or pending[1][2] ~= consumer then
    return nil
  end
  return tonumber(pending[1][4])
end
