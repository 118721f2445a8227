-- Hands leased work back, next in line or after a delay.
-- ARGV: counted ("1": the delivery counts), delay ms, then member and token of each. Returns 1 or 0 (lost) each.

local counted, delay = ARGV[1] == '1', tonumber(ARGV[2])
local now = clock()
local results = {}
for i = #ARGV - 1, 3, -2 do
  local member, record = ARGV[i], held(ARGV[i], ARGV[i + 1])
  table.insert(results, 1, record and 1 or 0)
  if record then
    if not counted then record.deliveries = math.max(0, record.deliveries - 1) end
    local buried = record.deliveries >= MAX_DELIVERIES and not record.opened
    if delay <= 0 or buried then
      bring_back(member, record, now)
    else
      delay_until(now + delay, member, record, now)
    end
  end
end
return results
