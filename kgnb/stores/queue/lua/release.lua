-- Leased work is handed back, next in line or after a delay.
-- ARGV: counted ("1": the delivery counts), delay ms, then member, token and so on. Returns 1 or 0 (lost) each.

local counted, delay = ARGV[1] == '1', tonumber(ARGV[2])
local now = clock()
local results = {}
for i = #ARGV - 1, 3, -2 do
  local member, record = ARGV[i], held(ARGV[i], ARGV[i + 1])
  table.insert(results, 1, record and 1 or 0)
  if record then
    if not counted then record.deliveries = math.max(0, record.deliveries - 1) end
    if delay <= 0 or record.deliveries >= MAX_DELIVERIES then
      bring_back(member, record, now)
    elseif parts(member) == 'c' then
      let_go(member)
      redis.call('HSET', COUNT, member, record.deliveries .. ' ' .. record.failures)
      redis.call('ZADD', LATER, now + delay, member)
    else
      shelve(member, record, now + delay, now)
    end
  end
end
return results
