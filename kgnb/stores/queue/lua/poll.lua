-- One node's poll of one queue: list delayed chapters that are due, reap expired leases, claim.
-- ARGV: node, lease ms, hold ms, chapters wanted, tasks wanted, only this task ("" = any), alone ("1": this node
--       is empty and asks no other queue), reap ("count", "free": count no delivery, "none"), open tasks at
--       most, held tasks (comma-separated), the time in ms that this clock should show ("" = unknown).
-- Returns {claims, refreshed, buried, left, {waiting, chapters, leased, delayed, dead, open}, newer, solo, now};
--       a claim is {member, token, deliveries, failures, asked, fresh, alone}; solo 1: this node empties its slots
--       for a chapter that is to run alone, 2: another node does.

local node, only, reap_mode = ARGV[1], ARGV[6], ARGV[8]
local lease_ms, hold_ms = tonumber(ARGV[2]), tonumber(ARGV[3])
local want_chapters, want_tasks, max_open = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[9])
local SCAN, MERGE, SEARCH, BATCH = 200, 10000, 100000, 500

local now, micro = clock()
local last = tonumber(redis.call('GET', TOKEN) or '0')
local claims, buried, newer, solo = {}, {}, 0, 0
local ring, open = {}, 0
for _, task in ipairs(redis.call('LRANGE', OPEN, 0, -1)) do ring[task], open = true, open + 1 end
local twins = {}
for _, task in ipairs(redis.call('SMEMBERS', TWINS)) do -- one that left may still have chapters in flight
  if redis.call('EXISTS', rest(task)) == 1 then twins[task] = true else redis.call('SREM', TWINS, task) end
end
local foreign, known, versions = {}, {}, redis.call('HGETALL', META)
for i = 1, #versions, 2 do
  known[versions[i]] = true
  if tonumber(versions[i + 1]) > VERSION then foreign[versions[i]] = true end
end

local function answer(member, record, alone)
  local fresh = record.item and record.asked > record.answered
  return {
    member, record.token, record.deliveries, record.failures, record.asked or 0, fresh and 1 or 0, alone or 0,
  }
end

local function lease(member, record, alone)
  last = math.max(last + 1, micro)
  record.token, record.node, record.since = digits(last), node, now
  local kind = parts(member)
  keep(member, record)
  redis.call('ZADD', LEASE, now + (kind == 'c' and math.min(lease_ms, hold_ms) or lease_ms), member)
  claims[#claims + 1] = answer(member, record, alone)
end

-- A clock that was set: forward, living holders get the time to renew; back, nothing may wait for the old time.
local function heed_clock()
  local step = now - (tonumber(ARGV[11]) or math.huge)
  if step > lease_ms / 3 then reap_mode = 'none' end
  if step > -lease_ms / 3 then return end
  local latest = now + math.max(lease_ms, hold_ms)
  for _, key in ipairs({LEASE, LATER}) do
    for _, member in ipairs(redis.call('ZRANGEBYSCORE', key, '(' .. digits(latest), '+inf')) do
      redis.call('ZADD', key, latest, member)
    end
  end
end

-- What this node holds is in the ring and has its version there: either key may have been lost.
local function restore_mine()
  for task in string.gmatch(ARGV[10], '%d+') do
    local record = not (ring[task] and known[task]) and held('t:' .. task)
    if record and record.node == node then
      if not ring[task] then
        redis.call('RPUSH', OPEN, task)
        ring[task], open = true, open + 1
      end
      redis.call('HSETNX', META, task, VERSION)
    end
  end
end

local function move_due()
  local due = redis.call('ZRANGEBYSCORE', LATER, '-inf', now, 'LIMIT', 0, BATCH)
  for i = #due, 1, -1 do
    redis.call('ZREM', LATER, due[i])
    enlist(due[i], counts(due[i]))
  end
end

-- Leases whose deadline was lost: their holders renew them, or they end after one lease.
local function restore_leases()
  if redis.call('ZCARD', LEASE) >= redis.call('HLEN', HELD) then return end
  for _, member in ipairs(redis.call('HKEYS', HELD)) do redis.call('ZADD', LEASE, 'NX', now + lease_ms, member) end
end

local function reap()
  local expired = {}
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', LEASE, '-inf', now, 'LIMIT', 0, BATCH)) do
    local kind, task, chapter = parts(member)
    local record = held(member)
    if not record and (kind == 't' or (kind == 'c' and redis.call('SISMEMBER', rest(task), chapter) == 1)) then
      record = record_anew(member, '', '', 0, now)
    end
    if record then expired[#expired + 1] = {member, record} else redis.call('ZREM', LEASE, member) end
  end
  -- Newest claim first: what is put back last is next in line. Tokens have one length, so they sort as text.
  table.sort(expired, function(a, b) return a[2].token > b[2].token end)
  for _, pair in ipairs(expired) do
    local record = pair[2]
    if reap_mode == 'free' and record.token ~= '' then uncount(record) end
    bring_back(pair[1], record, now)
  end
end

-- Takes one waiting copy of a text out of the list; false when it was no longer there.
local function remove(text) return redis.call('LREM', Q, OLDEST_LEFT and 1 or -1, text) > 0 end

-- The next `count` items after the `skip` oldest ones, oldest first.
local function oldest(count, skip)
  skip = skip or 0
  if OLDEST_LEFT then return redis.call('LRANGE', Q, skip, skip + count - 1) end
  local texts, items = {}, redis.call('LRANGE', Q, -count - skip, -1 - skip)
  for i = #items, 1, -1 do texts[#texts + 1] = items[i] end
  return texts
end

local function throw_out(text, reason)
  if not remove(text) then return end
  local member = 'g:' .. redis.sha1hex(text)
  redis.call('HSET', DEAD, member, cjson.encode({
    item = string.sub(text, 1, 2000), reason = reason, deliveries = 0, failures = 0, at = now, token = '',
  }))
  buried[#buried + 1] = {member, reason, ''}
end

-- Merge the other waiting items of a task that is being claimed: they were written before the claim, so opening
-- the task answers them too. Returns how many of them were fresh.
local function merge(task)
  local asked = 0
  for _, text in ipairs(oldest(MERGE)) do
    if #text <= MAX_ITEM and string.find(text, task, 1, true) then
      local item = parse(text)
      if item and item.task == task and item.v <= VERSION and remove(text) then asked = asked + item.asked end
    end
  end
  return asked
end

local function claim_task(text, item)
  if not remove(text) then return end
  local task, member = item.task, 't:' .. item.task
  redis.call('HDEL', DEAD, member)
  redis.call('SREM', UNTOLD, member)
  if not ring[task] then
    redis.call('RPUSH', OPEN, task)
    ring[task], open = true, open + 1
  end
  redis.call('HSET', META, task, VERSION)
  want_tasks = want_tasks - 1
  lease(member, {
    item = unmarked(text), opened = item.opened, asked = item.asked + merge(task), answered = 0,
    deliveries = item.deliveries + 1, failures = item.failures,
  })
end

-- A fresh item of a held task goes into its lease: the holder is told (refreshed), and if it dies first, the item
-- that comes back is fresh.
local function absorb(text, item, record)
  if not remove(text) or item.asked == 0 then return end
  record.asked = record.asked + 1
  keep('t:' .. item.task, record)
end

local function consider(text)
  local item, reason = parse(text)
  if not item then return throw_out(text, reason) end
  if item.v > VERSION or foreign[item.task] then
    newer = newer + 1
    return
  end
  local record = held('t:' .. item.task)
  if record then return absorb(text, item, record) end
  if want_tasks < 1 or (only ~= '' and only ~= item.task) then return end
  if ring[item.task] or open < max_open or only == item.task then claim_task(text, item) end
end

local function search(task)
  for _, text in ipairs(oldest(SEARCH)) do
    if #text <= MAX_ITEM and string.find(text, task, 1, true) then
      local item = parse(text)
      if item and item.task == task then return consider(text) end
    end
  end
end

local function claim_tasks()
  local skipped = 0
  repeat -- until past the items at the head that are left to newer versions
    local page, before = oldest(SCAN, skipped), newer
    for _, text in ipairs(page) do consider(text) end
    skipped = skipped + newer - before
  until #page < SCAN or newer - before < SCAN or skipped >= MERGE
  if only ~= '' and want_tasks > 0 and not foreign[only] and redis.call('HEXISTS', HELD, 't:' .. only) == 0 then
    search(only)
  end
end

local function claim_chapter(member, alone)
  local deliveries, failures = counts(member)
  redis.call('HDEL', COUNT, member)
  lease(member, {deliveries = deliveries + 1, failures = failures}, alone)
end

-- Whether another task's lease is on the same chapter: both would ask for it, while the one that waits gets the
-- reply from the cache.
local function twin_in_flight(task, chapter)
  if not twins[task] then return false end
  for other in pairs(twins) do
    if other ~= task and redis.call('HEXISTS', HELD, 'c:' .. other .. ':' .. chapter) == 1 then return true end
  end
  return false
end

-- A chapter that killed nodes runs alone on an empty node. One node registers in SOLO and empties its slots for it,
-- the others go on; the first empty node claims it. Returns true when it was claimed: then claim nothing else.
local function claim_alone()
  local waiting
  for _, member in ipairs(redis.call('LRANGE', ALONE, 0, SCAN - 1)) do
    local _, task, chapter = parts(member)
    if not foreign[task] and (only == '' or only == task) and not twin_in_flight(task, chapter) then
      waiting = member
      break
    end
  end
  if not waiting then return false end
  local by = redis.call('GET', SOLO)
  if want_chapters + want_tasks < 1 then -- its provider is paused (-1), or the node leaves: don't empty slots
    if by == node then redis.call('DEL', SOLO) end
    return false
  end
  if ARGV[7] == '1' and want_chapters > 0 then
    redis.call('LREM', ALONE, 1, waiting)
    redis.call('DEL', SOLO)
    claim_chapter(waiting, 1)
    return true
  end
  if by == node or (not by and want_chapters > 0) then
    redis.call('SET', SOLO, node, 'PX', lease_ms)
    solo, want_chapters = 1, 0
  else
    solo = 2
  end
  return false
end

-- Takes the next chapter that waits; those that are in flight for another task go behind the others.
local function next_chapter(task)
  local list = todo(task)
  local chapter = redis.call('LPOP', list)
  if not chapter or not twin_in_flight(task, chapter) then return chapter end
  for _ = 1, redis.call('LLEN', list) do
    redis.call('RPUSH', list, chapter)
    chapter = redis.call('LPOP', list)
    if not twin_in_flight(task, chapter) then return chapter end
  end
  redis.call('LPUSH', list, chapter)
end

-- Claims one chapter from each task in turn. A task that nobody holds and of which nothing is left leaves the
-- ring: its item may have gone to an old worker, and it would take up a place for ever.
local function rotate()
  local misses, round = 0, open
  while want_chapters > 0 and misses < round do
    local task = redis.call('LMOVE', OPEN, OPEN, 'LEFT', 'RIGHT')
    if not task then return end
    local chapter
    if not foreign[task] and (only == '' or only == task) then chapter = next_chapter(task) end
    if chapter then
      misses, want_chapters = 0, want_chapters - 1
      claim_chapter('c:' .. task .. ':' .. chapter)
    elseif not foreign[task] and redis.call('EXISTS', rest(task)) == 0
        and redis.call('HEXISTS', HELD, 't:' .. task) == 0 then
      forget(task)
      round = round - 1
    else
      misses = misses + 1
    end
  end
end

-- Chapters of a task that are left. 0 also when none of them waits or is in hand: they were lost with a key, and
-- the holder lists them again.
local function left_of(task)
  local chapters = redis.call('SCARD', rest(task))
  if chapters == 0 or redis.call('LLEN', todo(task)) > 0 then return chapters end
  for _, chapter in ipairs(redis.call('SMEMBERS', rest(task))) do
    if placed('c:' .. task .. ':' .. chapter) then return chapters end
  end
  return 0
end

local function report_mine()
  local left, refreshed, mine = {}, {}, {}
  for task in string.gmatch(ARGV[10], '%d+') do
    local record = held('t:' .. task)
    if record and record.node == node then
      mine[task] = true
      left[#left + 1] = {task, left_of(task)}
      if record.opened and is_fresh(record) then refreshed[#refreshed + 1] = answer('t:' .. task, record) end
    end
  end
  return left, refreshed, mine
end

-- Burials are reported until the ledger has them: a chapter's to its task's holder, an item's to every node.
local function report_buried(mine)
  for _, member in ipairs(redis.call('SMEMBERS', UNTOLD)) do
    local kind, task = parts(member)
    local dead = (kind == 't' or mine[task]) and redis.call('HGET', DEAD, member)
    if dead then
      dead = cjson.decode(dead)
      buried[#buried + 1] = {member, dead.reason, dead.token}
    end
  end
end

heed_clock()
restore_mine()
restore_leases()
move_due()
if reap_mode ~= 'none' then reap() end
if not claim_alone() then
  claim_tasks()
  rotate()
end
for task in pairs(ring) do
  if foreign[task] then newer = newer + 1 end
end
if #claims > 0 then redis.call('SET', TOKEN, digits(last)) end
local left, refreshed, mine = report_mine()
report_buried(mine)
return {claims, refreshed, buried, left, state(), newer, solo, now}
