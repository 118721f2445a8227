-- Returns {task, item, fresh, held, asked, dead} for each task whose item is in this queue; all but item are 0 or 1.
-- item: the text of an item that waits ('' for none), fresh: nobody has opened the task from it; asked: so is the one
-- that a node holds. Chapters don't count: no node may serve them.

local found, tasks = {}, {}
local function of(task)
  if not found[task] then
    found[task] = {task, '', 0, 0, 0, 0}
    tasks[#tasks + 1] = found[task]
  end
  return found[task]
end
for _, text in ipairs(redis.call('LRANGE', Q, 0, -1)) do
  local item = parse(text)
  if item then
    local one = of(item.task)
    if one[2] == '' or item.asked > one[3] then one[2], one[3] = text, item.asked end
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
