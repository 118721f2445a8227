-- Drops the chapters of tasks that leave this queue, except those in flight, and returns these.
-- ARGV: opened elsewhere ("1": who keeps the task open here loses it; else a held task stays), tasks.
-- A fresh item that nobody has answered waits again, as new.

local now, flying = clock(), {}
for i = 2, #ARGV do
  local task = ARGV[i]
  local record = held('t:' .. task)
  if ARGV[1] == '1' and record and record.opened then
    let_go('t:' .. task)
    if is_fresh(record) then redis.call(LAST_END, Q, record.item) end
  end
  if ARGV[1] == '1' or not record then
    for _, chapter in ipairs(forget(task, now)) do flying[#flying + 1] = chapter end
  end
end
return flying
