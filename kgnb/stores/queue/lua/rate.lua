-- Reserves requests and tokens of a provider under limits that all nodes share (GCRA: a limit is kept as the time
-- until which it is used up; a burst may run ahead of it). A request that has to wait is told how long and keeps
-- its place: requests are sent in the order in which they asked.
-- KEYS[1]: the provider's hash: r, t = milliseconds until which requests and tokens are used up, s = latest start.
-- ARGV: requests a window, tokens a window (0 = no limit), requests and tokens wanted (0 = only correct),
--       requests and tokens to add to what was reserved before (negative: given back), longest wait in ms, window in ms,
--       share of a limit that may come in a burst.
-- Returns {1 = reserved, ms to wait before it}, or {0, ms until it makes sense to ask again}.

local most = {tonumber(ARGV[1]), tonumber(ARGV[2])}
local wanted = {tonumber(ARGV[3]), tonumber(ARGV[4])}
local more = {tonumber(ARGV[5]), tonumber(ARGV[6])}
local longest, window, burst_share = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
local HORIZON = 3600000

local clock = redis.call('TIME')
local now = clock[1] * 1000 + clock[2] / 1000
local kept = redis.call('HMGET', KEYS[1], 'r', 't', 's')

-- The key may hold anything: read at most an hour ahead.
local function moment(text)
  local at = tonumber(text or '')
  if not at or at ~= at or at < 0 then return 0 end
  return math.min(at, now + HORIZON)
end

local used, latest = {moment(kept[1]), moment(kept[2])}, moment(kept[3])

-- So many may come in a burst; the rate below leaves room for it, so that no window exceeds the limit.
local function at_once(limit) return math.max(1, math.floor(limit * burst_share)) end

-- Milliseconds that `count` uses up, and how many of them it may run ahead.
local function step(limit, count)
  if count > limit / 2 then return window * math.max(1, count / limit), 0 end
  local burst = math.max(at_once(limit), count)
  local each = window / (limit - burst + 1)
  return count * each, (burst - count) * each
end

local start = math.max(now, latest)
local steps = {0, 0}
for i = 1, 2 do
  if most[i] > 0 then
    used[i] = used[i] + more[i] * window / (most[i] - at_once(most[i]) + 1)
    if wanted[i] > 0 then
      local early
      steps[i], early = step(most[i], wanted[i])
      start = math.max(start, used[i] - early)
    end
  end
end

local wait = math.ceil(start - now)
local reserved = wanted[1] + wanted[2] > 0 and wait <= longest
if reserved then
  latest = start
  for i = 1, 2 do
    if steps[i] > 0 then used[i] = math.max(used[i], start) + steps[i] end
  end
end

local over = math.max(used[1], used[2], latest)
if over > now then
  redis.call('HSET', KEYS[1], 'r', string.format('%.3f', used[1]), 't', string.format('%.3f', used[2]),
    's', string.format('%.3f', latest))
  redis.call('PEXPIRE', KEYS[1], math.ceil(math.min(over - now, HORIZON)) + 1)
else
  redis.call('DEL', KEYS[1])
end
return {reserved and 1 or 0, wait}
