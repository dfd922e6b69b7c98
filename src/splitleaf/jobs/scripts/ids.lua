-- Shared by every script that gets an id without its version; prepended to them when they are loaded.
--
-- splitleaf:versions   set of all versions that something may be left of; a submit adds its own (see recover.lua)
-- {q:V}:t:ID           record of an open task of version V
-- {q:V}:r:ID           final state of a task of version V

-- Returns the prefix of the version that has the id, open or final, or nil. An id has one task: the version that
-- accepted it first keeps it, whichever version another process would choose.
local function prefix_of(id)
  local versions, names = redis.call('SMEMBERS', 'splitleaf:versions'), {}
  for i, version in ipairs(versions) do
    names[2 * i - 1] = '{q:' .. version .. '}:t:' .. id
    names[2 * i] = '{q:' .. version .. '}:r:' .. id
  end
  -- One call for all versions first: most ids are new at a submit.
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
