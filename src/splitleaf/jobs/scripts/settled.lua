#!lua flags=no-writes
-- Finds the time before which all accepted tasks of one version are final and recorded. Shadows do not count. A long
-- feed is scanned in several calls.
--
-- KEYS 1-2  {q:V}:s:0 .. s:1  streams of the priorities that somebody waits for
-- KEYS 3    {q:V}:feed        final states not yet recorded
-- ARGV      where to go on in the feed ('-': at its beginning), most entries of it to look at, priority of shadows,
--           grace ms, schemas that the recorder reads
-- Returns   {ms: every task that was created before is recorded, as far as the feed was looked through;
--            1 if a task is further behind its deadline than the grace, or was accepted before the clock went back;
--            where to go on, or '' at the end}
local limit, shadow, grace_ms = tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])
local readable = {}
for i = 5, #ARGV do
  readable[ARGV[i]] = true
end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local settled, overdue = now, 0

-- An entry leaves its stream when its task is final, so that the first one is the oldest open task.
for i = 1, 2 do
  local entry = redis.call('XRANGE', KEYS[i], '-', '+', 'COUNT', 1)[1]
  for place = 1, entry and #entry[2] or 0, 2 do
    local name, value = entry[2][place], entry[2][place + 1]
    if name == 'c' then
      settled = math.min(settled, tonumber(value))
      if tonumber(value) > now then
        overdue = 1
      end
    elseif name == 'd' and tonumber(value) + grace_ms < now then
      overdue = 1
    end
  end
end

-- The feed is in the order in which tasks ended, not in that of their creation.
local entries = redis.call('XRANGE', KEYS[3], ARGV[1], '+', 'COUNT', limit)
for _, entry in ipairs(entries) do
  local document = entry[2][2]
  -- Entries that no recorder of this release can read stay in the feed, and must not hold the time back.
  if readable[document:match('^{"v":(%d+),')] and document:match(',"p":(%d+),') ~= shadow then
    settled = math.min(settled, tonumber(document:match(',"c":(%d+),') or document:match(',"f":(%d+),')))
  end
end
return {settled, overdue, #entries == limit and '(' .. entries[limit][1] or ''}
