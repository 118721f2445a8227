-- A chapter's (or an unopened item's) own failure. An outcome: the delivery does not count.
-- ARGV: member, token, reason, delay ms, final ("1": no further try). Returns "retry", "dead" or "lost".

local member, reason, delay = ARGV[1], ARGV[3], tonumber(ARGV[4])
local now = clock()
local record = held(member, ARGV[2])
if not record then return 'lost' end
local kind = parts(member)
record.failures = record.failures + 1
record.deliveries = math.max(0, record.deliveries - 1)
if (ARGV[5] == '1' or record.failures >= MAX_FAILURES) and not record.opened then
  let_go(member)
  bury(member, record, reason, now)
  return 'dead'
end
if delay <= 0 then
  bring_back(member, record, now)
elseif kind == 'c' then
  let_go(member)
  redis.call('HSET', COUNT, member, record.deliveries .. ' ' .. record.failures)
  redis.call('ZADD', LATER, now + delay, member)
else
  shelve(member, record, now + delay, now)
end
return 'retry'
