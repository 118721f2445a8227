-- The head of every script that works on a queue: key names and shared functions. KEYS[1] is the queue's whole
-- key Q; every other key carries it as hash tag, so that a script touches one cluster slot. The keys:
--
--   Q                      waiting task items, JSON as producers write it
--   kgnb:token:{Q}         the last token
--   kgnb:lease:{Q}         zset   member -> deadline in ms; members are t:<task> and c:<task>:<chapter>
--   kgnb:held:{Q}          hash   member -> {token, node, since (only earlier nodes read it), deliveries,
--                                 failures, uncounted; tasks: item, opened, asked, answered}
--   kgnb:open:{Q}          list   ring of the claimed and open tasks; chapters are claimed round-robin
--   kgnb:meta:{Q}          hash   task -> version of the node that claimed it
--   kgnb:todo:{Q}:<task>   list   chapters that wait, next first
--   kgnb:rest:{Q}:<task>   set    chapters that are left: waiting, leased or delayed
--   kgnb:alone:{Q}         list   chapters (members) to be claimed alone
--   kgnb:solo:{Q}          string the node that empties its slots for one of those, with TTL
--   kgnb:later:{Q}         zset   delayed chapters (members) -> due in ms
--   kgnb:count:{Q}         hash   chapter (member) -> "deliveries failures" while it is not leased
--   kgnb:dead:{Q}          hash   member, or g:<sha1> for garbage -> {item, reason, deliveries, failures, at, token}
--   kgnb:twins:{Q}         set    tasks that share chapters with another one, while any is left
--   kgnb:untold:{Q}        set    dead members that the ledger doesn't know of yet
--
-- Redis may lose any one of them, by an eviction: what it held is found again from the others (poll, opened, renew).
--
-- Tokens are strings of 16 digits: Lua numbers hold them exactly, but cjson would not print them exactly.

local Q = KEYS[1]
local function name(what) return 'kgnb:' .. what .. ':{' .. Q .. '}' end
local TOKEN, LEASE, HELD, OPEN, META = name('token'), name('lease'), name('held'), name('open'), name('meta')
local ALONE, SOLO, LATER, COUNT = name('alone'), name('solo'), name('later'), name('count')
local DEAD, UNTOLD, TWINS = name('dead'), name('untold'), name('twins')
local function todo(task) return name('todo') .. ':' .. task end
local function rest(task) return name('rest') .. ':' .. task end

local VERSION = 1
local MAX_DELIVERIES, ALONE_FROM = 10, 5
local MAX_ITEM, MAX_INTEGER = 65536, 9007199254740991
local OLDEST_LEFT = string.sub(Q, 1, 12) == 'kg:ai_queue:'
local NEXT_END = OLDEST_LEFT and 'LPUSH' or 'RPUSH'
local LAST_END = OLDEST_LEFT and 'RPUSH' or 'LPUSH'

local function digits(number) return string.format('%.0f', number) end

local function clock()
  local time = redis.call('TIME')
  local micro = tonumber(time[1]) * 1000000 + tonumber(time[2])
  return math.floor(micro / 1000), micro
end

local function parts(member)
  local kind, task, chapter = string.match(member, '^(%a):(%d+):?(%-?%d*)$')
  return kind, task, chapter
end

-- The lease's record; nil when there is none, or when `token` is given and is another.
local function held(member, token)
  local raw = redis.call('HGET', HELD, member)
  if not raw then return nil end
  local record = cjson.decode(raw)
  if token and record.token ~= token then return nil end
  return record
end

local function keep(member, record) redis.call('HSET', HELD, member, cjson.encode(record)) end

local function let_go(member)
  redis.call('ZREM', LEASE, member)
  redis.call('HDEL', HELD, member)
end

-- The record of a lease that has none any more: the item is as producers write it.
local function record_anew(member, token, node, asked, now)
  local kind, task = parts(member)
  local record = {token = token, node = node, since = now, deliveries = 1, failures = 0}
  if kind == 't' then
    record.item = '{"task_id":' .. task .. ',"provider":' .. cjson.encode(string.match(Q, '[^:]*$')) .. '}'
    record.opened, record.asked, record.answered = true, asked, asked
  end
  return record
end

-- This delivery has an outcome or got further: it does not count.
local function uncount(record)
  if not record.uncounted then record.deliveries = math.max(0, record.deliveries - 1) end
  record.uncounted = true
end

-- Whether a chapter is leased, delayed or to be claimed alone; else it waits in its task's list, or was lost.
local function placed(member)
  return redis.call('HEXISTS', HELD, member) == 1 or redis.call('ZSCORE', LEASE, member)
    or redis.call('ZSCORE', LATER, member) or redis.call('LPOS', ALONE, member)
end

-- Items ------------------------------------------------------------------------------------------------------

local function version(value)
  if value == nil or value == cjson.null then return 1 end
  return type(value) == 'number' and value or nil
end

local function counter(value)
  if type(value) ~= 'number' or value % 1 ~= 0 or value < 0 or value > MAX_INTEGER then return 0 end
  return value
end

-- A waiting item as {task, v, opened, asked, deliveries, failures}, or nil and the reason to bury it.
local function parse(text)
  if #text > MAX_ITEM then return nil, 'queue.dead_too_large' end
  local read, item = pcall(cjson.decode, text)
  if not read or type(item) ~= 'table' then return nil, 'queue.dead_not_json' end
  local id = item.task_id
  if type(id) ~= 'number' or id % 1 ~= 0 or id < 1 or id > MAX_INTEGER then return nil, 'queue.dead_no_task' end
  local mark = type(item.kgnb) == 'table' and item.kgnb or {}
  local of_item, of_mark = version(item.v), version(mark.v)
  if not of_item or not of_mark then return nil, 'queue.dead_version' end
  local opened = mark.opened == true
  return {
    task = digits(id), v = math.max(of_item, of_mark), opened = opened,
    asked = (not opened or mark.fresh == true) and 1 or 0,
    deliveries = counter(mark.deliveries), failures = counter(mark.failures),
  }
end

-- The mark ("kgnb") is cut out and put in as text: decoding and encoding the item would turn an empty [] into
-- {} and round long numbers. It comes last, so that it wins over another "kgnb" in the item.
local function unmarked(text)
  local head = string.match(text, '^(.*),%s*"kgnb"%s*:%s*{[^{}]*}%s*}%s*$')
  return head and head .. '}' or text
end

-- `asked` counts the fresh items of a task that the lease covers, `answered` how many of them an opening of the
-- task has answered.
local function is_fresh(record) return not record.opened or record.asked > record.answered end

local function marked(text, record)
  if not record.opened and record.deliveries == 0 and record.failures == 0 then return text end
  local last = #text
  while string.byte(text, last) ~= 125 do last = last - 1 end
  local mark = string.format(
    ',"kgnb":{"v":%d,"opened":%s,"fresh":%s,"deliveries":%d,"failures":%d}}', VERSION, tostring(record.opened),
    tostring(is_fresh(record)), record.deliveries, record.failures)
  return string.sub(text, 1, last - 1) .. mark
end

-- Moves ------------------------------------------------------------------------------------------------------

-- Drops everything about a task's chapters, their leases too, and its place in the ring. With `now`, leases that
-- live then stay: returns their chapters.
local function forget(task, now)
  local alone, flying = redis.call('LLEN', ALONE) > 0, {}
  for _, chapter in ipairs(redis.call('SMEMBERS', rest(task))) do
    local member = 'c:' .. task .. ':' .. chapter
    if now and tonumber(redis.call('ZSCORE', LEASE, member) or 0) > now then
      flying[#flying + 1] = chapter
    else
      let_go(member)
      redis.call('HDEL', COUNT, member)
      redis.call('ZREM', LATER, member)
      if alone then redis.call('LREM', ALONE, 0, member) end
    end
  end
  for _, member in ipairs(redis.call('SMEMBERS', UNTOLD)) do
    local kind, of = parts(member)
    if kind == 'c' and of == task then redis.call('SREM', UNTOLD, member) end
  end
  redis.call('DEL', todo(task), rest(task))
  redis.call('LREM', OPEN, 0, task)
  redis.call('HDEL', META, task)
  for _, chapter in ipairs(flying) do redis.call('SADD', rest(task), chapter) end
  return flying
end

local function bury(member, record, reason, now)
  local kind, task, chapter = parts(member)
  redis.call('HSET', DEAD, member, cjson.encode({
    item = record.item or '', reason = reason, deliveries = record.deliveries, failures = record.failures,
    at = now, token = record.token,
  }))
  redis.call('SADD', UNTOLD, member)
  redis.call('HDEL', COUNT, member)
  if kind == 'c' then redis.call('SREM', rest(task), chapter) else forget(task) end
end

-- A chapter waits again, before its task's others (RPUSH: after them); for its fifth delivery and later ones in the
-- list ALONE.
local function enlist(member, deliveries, failures, push)
  local _, task, chapter = parts(member)
  if deliveries > 0 or failures > 0 then
    redis.call('HSET', COUNT, member, deliveries .. ' ' .. failures)
  end
  if deliveries + 1 >= ALONE_FROM then
    redis.call('RPUSH', ALONE, member)
  else
    redis.call(push or 'LPUSH', todo(task), chapter)
  end
end

local function counts(member)
  local deliveries, failures = string.match(redis.call('HGET', COUNT, member) or '0 0', '^(%d+) (%d+)$')
  return tonumber(deliveries), tonumber(failures)
end

-- Ends a lease without an outcome: the work is next in line again, or buried after MAX_DELIVERIES.
local function bring_back(member, record, now)
  let_go(member)
  local worn_out = record.deliveries >= MAX_DELIVERIES
  if parts(member) == 'c' then
    if worn_out then return bury(member, record, 'queue.dead_deliveries', now) end
    return enlist(member, record.deliveries, record.failures)
  end
  if worn_out and not record.opened then return bury(member, record, 'queue.dead_deliveries', now) end
  redis.call(NEXT_END, Q, marked(record.item, record))
end

-- Ends a lease; the work waits until `due`. A task's item waits as a lease without a holder that ends then.
local function delay_until(due, member, record, now)
  if parts(member) == 'c' then
    let_go(member)
    redis.call('HSET', COUNT, member, record.deliveries .. ' ' .. record.failures)
    redis.call('ZADD', LATER, due, member)
    return
  end
  record.token, record.node, record.since = '', '', now
  keep(member, record)
  redis.call('ZADD', LEASE, due, member)
end

-- {waiting items, waiting chapters, leases, delayed, dead, open tasks}
local function state()
  local chapters = redis.call('LLEN', ALONE)
  local tasks = redis.call('LRANGE', OPEN, 0, -1)
  for _, task in ipairs(tasks) do chapters = chapters + redis.call('LLEN', todo(task)) end
  return {
    redis.call('LLEN', Q), chapters, redis.call('ZCARD', LEASE), redis.call('ZCARD', LATER),
    redis.call('HLEN', DEAD), #tasks,
  }
end
