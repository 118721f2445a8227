-- Renews leases. ARGV: node, lease ms, hold ms, then member, token, asked and progress ("1": a part of the chapter was
--       stored since the last renewal) of each. Returns 1 or 0 (lost) each.
-- A chapter is held for at most `hold` without progress, an open task's item as long as its node lives.

local node, lease_ms, hold_ms = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local now = clock()
local results = {}
for i = 4, #ARGV, 4 do
  local member, token = ARGV[i], ARGV[i + 1]
  local record = held(member)
  if not record and redis.call('ZSCORE', LEASE, member) then -- HELD was lost, the lease wasn't
    record = record_anew(member, token, node, tonumber(ARGV[i + 2]), now)
    keep(member, record)
  end
  local alive = record and record.token == token
  if alive and ARGV[i + 3] == '1' then
    record.since = now
    uncount(record)
    keep(member, record)
  end
  local deadline = now + lease_ms
  if alive and parts(member) == 'c' then deadline = math.min(deadline, record.since + hold_ms) end
  alive = alive and deadline > now
  if alive then redis.call('ZADD', LEASE, deadline, member) end
  results[#results + 1] = alive and 1 or 0
end
return results
