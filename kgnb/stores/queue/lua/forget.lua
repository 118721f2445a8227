-- Drops the chapters of a task that was opened from another queue, except those in flight, and returns these. Who
-- keeps the task open here loses it. ARGV: task. A fresh item that nobody has answered waits again, as new.

local task = ARGV[1]
local record = held('t:' .. task)
if record and record.opened then
  let_go('t:' .. task)
  if is_fresh(record) then redis.call(LAST_END, Q, record.item) end
end
return forget(task, clock())
