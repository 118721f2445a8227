-- Returns the first of n consecutive new numbers, above all earlier ones even after the key was lost.
-- KEYS[1]: counter, ARGV: n.

local time = redis.call('TIME')
local micro = tonumber(time[1]) * 1000000 + tonumber(time[2])
local first = math.max(tonumber(redis.call('GET', KEYS[1]) or '0') + 1, micro)
redis.call('SET', KEYS[1], string.format('%.0f', first + tonumber(ARGV[1]) - 1))
return string.format('%.0f', first)
