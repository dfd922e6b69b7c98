-- Shared by every script that ends a task; prepended to them when they are loaded.
--
-- The entry in the stream is the fence: the caller that deletes it (XDEL returns 1) writes the final state. So that
-- happens once, however late or often others try. The record exists exactly as long as the entry. All reads that can
-- fail come before the first write, so that no task is ended in part.
--
-- {q:V}:t:ID   record of an open task (hash): c created, d deadline, p priority, e entry, b bytes,
--              k key of the pixels, x context (JSON), s started
-- {q:V}:r:ID   final state (JSON), kept until it is recorded, and then for the results' time to live
-- {q:V}:feed   stream of final states on their way to the outcome store
-- uses: ids, meters, aside
local GROUP = 'workers'
local NOBODY = '-'
-- An outcome that is not recorded by then has no recorder. If a result expired before it is recorded, its id would be
-- unknown, and its Idempotency-Key would accept a new image.
local RECORDED_WITHIN_MS = 604800000

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function number_or_null(value)
  return value and string.format('%d', value) or 'null'
end

-- Workers without work block on this list.
local function wake_worker(prefix)
  local wakeup = prefix .. 'bell'
  if redis.pcall('LLEN', wakeup) == 0 then
    redis.call('LPUSH', wakeup, '1')
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

-- Returns the size in bytes of the pixels that this header describes.
local function bytes_of(header)
  local height, width, channels, kind = (header or ''):match('^%d+,(%d+),(%d+),(%d+),(%a+)')
  return height and height * width * channels * (kind == 'float' and 4 or 1) or 0
end

-- Returns the task of an entry: from its record or, if the record is missing or belongs to another entry, from the
-- entry itself. Nil if the entry is missing, too.
local function task_of(prefix, stream, token, id)
  local record = redis.pcall('HMGET', prefix .. 't:' .. id, 'e', 'c', 's', 'd', 'b', 'k', 'x')
  if record[1] == token then
    return {has_record = true, created = tonumber(record[2] or ''), started = tonumber(record[3] or ''),
      deadline = tonumber(record[4] or ''), bytes = tonumber(record[5] or '') or 0, pixels = record[6],
      context = record[7] or 'null'}
  end
  local entry = redis.call('XRANGE', stream, token, token)[1]
  if not entry then
    return nil
  end
  local fields = fields_of(entry)
  return {is_others = record[1], created = tonumber(fields.c or ''), deadline = tonumber(fields.d or ''),
    bytes = bytes_of(fields.h), pixels = fields.k, context = 'null'}
end

local function state_document(prefix, stream, id, status, task, deliveries, now, result)
  return table.concat({
    '{"v":1,"id":', cjson.encode(id), ',"st":"', status, '","ver":', cjson.encode(prefix:sub(4, -3)),
    ',"c":', number_or_null(task.created), ',"s":', number_or_null(task.started), ',"f":', string.format('%d', now),
    ',"p":', stream:sub(-1), ',"n":', string.format('%d', deliveries), ',"x":', task.context, ',"r":', result, '}',
  })
end

-- Returns the final state's document, or nil if another caller was first.
local function finalize(prefix, stream, token, id, status, result, deliveries, now, ttl_ms, keep_pixels)
  redis.call('XLEN', prefix .. 'feed')
  local task = task_of(prefix, stream, token, id)
  redis.call('XACK', stream, GROUP, token)
  if redis.call('XDEL', stream, token) == 0 or not task then
    return nil
  end
  if task.pixels and not keep_pixels then
    redis.call('UNLINK', task.pixels)
  end
  count_bytes(prefix .. 'm', -task.bytes)
  if not task.is_others then
    redis.call('UNLINK', prefix .. 't:' .. id)
  end
  if not task.has_record then
    if prefix_of(id) then
      -- The id was accepted again, under any version, after its record was lost: the later task counts.
      return nil
    end
    status, result = 'expired', 'null'
  elseif task.deadline and task.deadline <= now and not task.started then
    -- Readers have seen it as expired since its deadline. A worker that did not respond in that time is too late.
    status, result = 'expired', 'null'
  end
  if status == 'expired' then
    now = math.min(now, task.deadline or now)
  end
  local document = state_document(prefix, stream, id, status, task, deliveries, now, result)
  redis.call('SET', prefix .. 'r:' .. id, document, 'PX', ttl_ms + RECORDED_WITHIN_MS)
  redis.call('XADD', prefix .. 'feed', '*', 'd', document)
  return document
end

-- Quarantines an entry that is not a task. If it names an accepted task, ends that task, too.
local function set_entry_aside(prefix, stream, entry, fields, deliveries, now, ttl_ms)
  copy_entry_aside(prefix, stream, entry)
  if #(fields.i or '') == 26 then
    return finalize(prefix, stream, entry[1], fields.i, 'expired', 'null', deliveries, now, ttl_ms)
  end
  redis.call('XACK', stream, GROUP, entry[1])
  redis.call('XDEL', stream, entry[1])
  return nil
end

-- Returns whether these fields of an entry are a task.
local function is_task(fields)
  return fields.i and tonumber(fields.c or '') and tonumber(fields.d or '') and fields.h and (fields.p or fields.k)
end

-- Returns the deadline and the context of a task, or nil if it has no record. A deadline further ahead than the task's
-- time to live was set before the clock went back. The task then counts as accepted now, and its record says so.
local function deadline_of(prefix, entry, fields, now)
  local open = prefix .. 't:' .. fields.i
  local record = redis.pcall('HMGET', open, 'e', 'd', 'x')
  if record[1] ~= entry[1] then
    return nil
  end
  local deadline, latest = tonumber(record[2] or '') or tonumber(fields.d), now + fields.d - fields.c
  if deadline > latest then
    deadline = latest
    redis.call('HSET', open, 'd', string.format('%d', deadline))
  end
  return deadline, record[3]
end

-- Publishes one message with a line for each task. The id comes first, so that readers parse only their own tasks.
local function announce(channel, lines)
  if #lines > 0 then
    redis.call('PUBLISH', channel, table.concat(lines, '\n'))
  end
end
