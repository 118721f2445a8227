-- Drops a task: its chapters and its waiting items. A held task keeps its chapters: its holder ends it.
-- ARGV: task, fresh ("1": fresh items too; otherwise they stay, as each may be a retry), elsewhere ("1": the task
--       goes on in another queue, so its chapters in flight stay).

local task = ARGV[1]
if redis.call('HEXISTS', HELD, 't:' .. task) == 0 then forget(task, ARGV[3] == '1' and clock() or nil) end
for _, text in ipairs(redis.call('LRANGE', Q, 0, -1)) do
  if #text <= MAX_ITEM and string.find(text, task, 1, true) then
    local item = parse(text)
    if item and item.task == task and (item.asked == 0 or ARGV[2] == '1') then redis.call('LREM', Q, 1, text) end
  end
end
return 1
