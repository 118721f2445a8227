-- Takes an entry off the dead list. ARGV: member. Returns 1, or 0 if it isn't dead.
-- An item waits again, as new. A chapter waits again when its task is opened, if the ledger still wants it.

local member = ARGV[1]
local raw = redis.call('HGET', DEAD, member)
if not raw then return 0 end
redis.call('HDEL', DEAD, member)
redis.call('SREM', UNTOLD, member)
if parts(member) == 't' then redis.call(LAST_END, Q, cjson.decode(raw).item) end
return 1
