-- Renews leases. ARGV: node, then member, token, asked, progress ("1": a part of the chapter was stored since the last
--       renewal) and lease ms of each. Returns 1 or 0 (lost) each.
-- How long a chapter may be held without progress is told by its node: this clock may be set while it is held.

local node = ARGV[1]
local now = clock()
local results = {}
for i = 2, #ARGV, 5 do
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
  local lease_ms = tonumber(ARGV[i + 4])
  alive = alive and lease_ms > 0
  if alive then redis.call('ZADD', LEASE, now + lease_ms, member) end
  results[#results + 1] = alive and 1 or 0
end
return results
