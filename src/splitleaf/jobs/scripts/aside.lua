-- Shared by the scripts that come upon what is not ours; placed in front of them when they are loaded.
--
-- {q:V}:aside              entries of a task stream that no task can be read from (stream), for a person to look at
-- {q:V}:m                  meters (hash): aside counts what was set aside
-- splitleaf:aside:KEY:MS   a key of ours that held something of another type
local MOST_ASIDE = 100
local MOST_FIELDS = 100

local function note_aside(prefix)
  redis.pcall('HINCRBY', prefix .. 'm', 'aside', 1)
end

-- Renames what stands under one of our names and is of another type; returns whether there was something.
local function set_key_aside(key, kind, now)
  local found = redis.call('TYPE', key).ok
  if found == 'none' or found == kind then
    return false
  end
  redis.call('RENAME', key, 'splitleaf:aside:' .. key .. ':' .. string.format('%d', now))
  return true
end

-- Keeps a copy of an entry that cannot be read as a task.
local function copy_entry_aside(prefix, stream, entry)
  redis.call('XADD', prefix .. 'aside', 'MAXLEN', MOST_ASIDE, '*', 'stream', stream, 'entry', entry[1], 
    unpack(entry[2], 1, math.min(#entry[2], MOST_FIELDS)))
  note_aside(prefix)
end
