-- Records a failure of the chapter (or unopened item) itself. That is an outcome: the delivery does not count.
-- ARGV: member, token, reason, delay ms, most failures. Returns "retry", "dead" or "lost".

local member, reason, delay, most = ARGV[1], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local now = clock()
local record = held(member, ARGV[2])
if not record then return 'lost' end
record.failures = record.failures + 1
uncount(record)
if record.failures >= most and not record.opened then
  let_go(member)
  bury(member, record, reason, now)
  return 'dead'
end
if delay <= 0 then
  bring_back(member, record, now)
else
  delay_until(now + delay, member, record, now)
end
return 'retry'
