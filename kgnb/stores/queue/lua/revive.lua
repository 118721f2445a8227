-- A dead entry is taken off the list; an item waits again, as new. ARGV: member. Returns 1, or 0 if it isn't dead.
-- A chapter waits again when its task is opened: whether it is to be done is for the ledger to say.

local member = ARGV[1]
local raw = redis.call('HGET', DEAD, member)
if not raw then return 0 end
redis.call('HDEL', DEAD, member)
redis.call('SREM', UNTOLD, member)
if parts(member) == 't' then redis.call(LAST_END, Q, cjson.decode(raw).item) end
return 1
