-- A dead entry gets a new life, its counters at zero. ARGV: member. Returns 1, or 0 when it is not dead.
-- A chapter of a task that is not open is only taken off the list: opening the task lists what its ledger says.

local member = ARGV[1]
local raw = redis.call('HGET', DEAD, member)
if not raw then return 0 end
redis.call('HDEL', DEAD, member)
redis.call('SREM', UNTOLD, member)
local kind, task, chapter = parts(member)
if kind ~= 'c' then
  redis.call(LAST_END, Q, cjson.decode(raw).item)
elseif redis.call('HEXISTS', META, task) == 1 and redis.call('SADD', rest(task), chapter) == 1 then
  redis.call('LPUSH', todo(task), chapter)
end
return 1
