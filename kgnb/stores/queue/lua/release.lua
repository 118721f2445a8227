-- Hands leased work back, next in line or after a delay.
-- ARGV: counted ("1": the delivery counts), delay ms, above (later tokens are higher than this), then member and
--       token of each. Returns 1 or 0 (lost) each.

local counted, delay, above = ARGV[1] == '1', tonumber(ARGV[2]), tonumber(ARGV[3])
if above > tonumber(redis.call('GET', TOKEN) or '0') then redis.call('SET', TOKEN, digits(above)) end
local now = clock()
local results = {}
for i = #ARGV - 1, 4, -2 do
  local member, record = ARGV[i], held(ARGV[i], ARGV[i + 1])
  table.insert(results, 1, record and 1 or 0)
  if record then
    if not counted then uncount(record) end
    local buried = record.deliveries >= MAX_DELIVERIES and not record.opened
    if delay <= 0 or buried then
      bring_back(member, record, now)
    else
      delay_until(now + delay, member, record, now)
    end
  end
end
return results
