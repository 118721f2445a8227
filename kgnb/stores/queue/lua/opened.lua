-- Opens the task of a claimed item: lists its chapters, marks the item and forgets its failures.
-- ARGV: member, token, asked (as claimed: what this opening answers), revive (dead chapters to be listed too),
--       chapters (both comma-separated; these in order). Returns 1, or 0 when the lease is lost.
-- A chapter that is left but nowhere was lost with a key: it is listed again.

local member, token = ARGV[1], ARGV[2]
local _, task = parts(member)
local record = held(member, token)
if not record then return 0 end
record.opened, record.failures = true, 0
record.answered = math.max(record.answered, tonumber(ARGV[3]))
keep(member, record)
redis.call('HSET', META, task, VERSION)
if not redis.call('LPOS', OPEN, task) then redis.call('RPUSH', OPEN, task) end
local waiting, revive = {}, {}
for _, chapter in ipairs(redis.call('LRANGE', todo(task), 0, -1)) do waiting[chapter] = true end
for chapter in string.gmatch(ARGV[4], '%-?%d+') do revive[chapter] = true end
for chapter in string.gmatch(ARGV[5], '%-?%d+') do
  local one = 'c:' .. task .. ':' .. chapter
  local known = waiting[chapter] or placed(one)
  local dead = not known and redis.call('HEXISTS', DEAD, one) == 1
  if not dead or revive[chapter] then
    if dead then
      redis.call('HDEL', DEAD, one)
      redis.call('SREM', UNTOLD, one)
    end
    redis.call('SADD', rest(task), chapter)
    if not known then
      local deliveries, failures = counts(one)
      enlist(one, deliveries, failures, 'RPUSH')
    end
  end
end

for _, other in ipairs(redis.call('LRANGE', OPEN, 0, -1)) do
  local shared = other == task and {} or redis.call('SINTER', rest(task), rest(other))
  if #shared > 0 then redis.call('SADD', TWINS, task, other) end
end
return 1
