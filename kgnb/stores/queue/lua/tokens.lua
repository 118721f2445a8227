-- Returns the first of n consecutive new numbers, above all earlier ones even after the key was lost.
-- KEYS[1]: counter, ARGV: n.

local time = redis.call('TIME')
local micro = tonumber(time[1]) * 1000000 + tonumber(time[2])
local last = tonumber(redis.call('GET', KEYS[1]) or '0')
-- The key may hold anything; above 2^53 numbers are no longer whole.
if not last or last ~= last or last > 9e15 then last = 0 end
local first = math.max(last + 1, micro)
redis.call('SET', KEYS[1], string.format('%.0f', first + tonumber(ARGV[1]) - 1))
return string.format('%.0f', first)
