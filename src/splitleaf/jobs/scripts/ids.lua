-- Shared by every script that is given an id, which does not name its version; placed in front of them when they are loaded.
--
-- splitleaf:versions   set of all versions that ever had a task or a worker; a submit adds its own
-- {q:V}:t:ID           record of an open task of version V
-- {q:V}:r:ID           final state of a task of version V

-- Returns the prefix of the version that has the id, open or final, or nil. An id has one task, whichever version
-- another process would have chosen for it: the first that accepted it stands.
local function prefix_of(id)
  for _, version in ipairs(redis.call('SMEMBERS', 'splitleaf:versions')) do
    local prefix = '{q:' .. version .. '}:'
    if redis.call('EXISTS', prefix .. 't:' .. id, prefix .. 'r:' .. id) > 0 then
      return prefix
    end
  end
  return nil
end
