-- Renews leases. ARGV: lease ms, hold ms, then member and token of each. Returns 1 or 0 (lost) each.
-- A chapter is held for at most `hold` in all, an open task's item as long as its node lives.

local lease_ms, hold_ms = tonumber(ARGV[1]), tonumber(ARGV[2])
local now = clock()
local results = {}
for i = 3, #ARGV, 2 do
  local member, record = ARGV[i], held(ARGV[i], ARGV[i + 1])
  local deadline = now + lease_ms
  if record and parts(member) == 'c' then deadline = math.min(deadline, record.since + hold_ms) end
  local alive = record and deadline > now
  if alive then redis.call('ZADD', LEASE, deadline, member) end
  results[#results + 1] = alive and 1 or 0
end
return results
