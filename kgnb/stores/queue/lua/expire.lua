-- Ends the leases of a dead node now; the next poll reaps them. ARGV: node. Returns how many.

local ended = 0
local fields = redis.call('HGETALL', HELD)
for i = 1, #fields, 2 do
  if cjson.decode(fields[i + 1]).node == ARGV[1] then
    redis.call('ZADD', LEASE, 0, fields[i])
    ended = ended + 1
  end
end
if redis.call('GET', SOLO) == ARGV[1] then redis.call('DEL', SOLO) end
return ended
