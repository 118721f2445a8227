-- Takes a task's item off the dead list: it waits again, as new. ARGV: member.

local member = ARGV[1]
local raw = redis.call('HGET', DEAD, member)
if not raw then return 0 end
redis.call('HDEL', DEAD, member)
redis.call('SREM', UNTOLD, member)
redis.call(LAST_END, Q, cjson.decode(raw).item)
return 1
