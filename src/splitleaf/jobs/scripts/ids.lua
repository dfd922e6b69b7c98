-- Shared by every script that is given an id, which does not name its version; placed in front of them when they are loaded.
--
-- splitleaf:versions   set of all versions that ever had a task or a worker; a submit adds its own
-- {q:V}:t:ID           record of an open task of version V
-- {q:V}:r:ID           final state of a task of version V

-- Returns the prefix of the version that has the id, open or final, or nil. An id has one task, whichever version
-- another process would have chosen for it: the first that accepted it stands.
local function prefix_of(id)
  local versions, names = redis.call('SMEMBERS', 'splitleaf:versions'), {}
  for i, version in ipairs(versions) do
    names[2 * i - 1] = '{q:' .. version .. '}:t:' .. id
    names[2 * i] = '{q:' .. version .. '}:r:' .. id
  end
  -- All at once first: most ids that are asked for before a submit are new.
  if #names == 0 or redis.call('EXISTS', unpack(names)) == 0 then
    return nil
  end
  for i, version in ipairs(versions) do
    if redis.call('EXISTS', names[2 * i - 1], names[2 * i]) > 0 then
      return '{q:' .. version .. '}:'
    end
  end
  return nil
end
