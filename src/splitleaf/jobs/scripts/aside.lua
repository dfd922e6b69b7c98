-- Shared by the scripts that may find unknown data; prepended to them when they are loaded. It is quarantined.
--
-- {q:V}:aside              entries of a task stream that are not tasks (stream), for an operator
-- {q:V}:m                  meters (hash): aside counts quarantined entries and keys
-- splitleaf:aside:KEY:MS   a key that had the wrong type
local MOST_ASIDE = 100
local MOST_FIELDS = 100

local function note_aside(prefix)
  redis.pcall('HINCRBY', prefix .. 'm', 'aside', 1)
end

-- Renames a key that has the wrong type; returns whether it did.
local function set_key_aside(key, kind, now)
  local found = redis.call('TYPE', key).ok
  if found == 'none' or found == kind then
    return false
  end
  redis.call('RENAME', key, 'splitleaf:aside:' .. key .. ':' .. string.format('%d', now))
  return true
end

-- Copies an entry that cannot be read as a task.
local function copy_entry_aside(prefix, stream, entry)
  redis.call('XADD', prefix .. 'aside', 'MAXLEN', MOST_ASIDE, '*', 'stream', stream, 'entry', entry[1], 
    unpack(entry[2], 1, math.min(#entry[2], MOST_FIELDS)))
  note_aside(prefix)
end
