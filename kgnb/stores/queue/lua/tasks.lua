-- Returns {task, waits, fresh, held, asked, dead} (0 or 1 each) for each task whose item is in this queue. fresh: an
-- item waits that nobody has opened the task from; asked: so is the one that a node holds. Chapters don't count: no
-- node may serve them.

local found, tasks = {}, {}
local function of(task)
  if not found[task] then
    found[task] = {task, 0, 0, 0, 0, 0}
    tasks[#tasks + 1] = found[task]
  end
  return found[task]
end
for _, text in ipairs(redis.call('LRANGE', Q, 0, -1)) do
  local item = parse(text)
  if item then
    local one = of(item.task)
    one[2], one[3] = 1, math.max(one[3], item.asked)
  end
end
for _, member in ipairs(redis.call('HKEYS', HELD)) do
  local kind, task = parts(member)
  if kind == 't' then of(task)[4], of(task)[5] = 1, is_fresh(held(member)) and 1 or 0 end
end
for _, member in ipairs(redis.call('HKEYS', DEAD)) do
  local kind, task = parts(member)
  if kind == 't' then of(task)[6] = 1 end
end
return tasks
