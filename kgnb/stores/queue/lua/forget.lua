-- Drops the chapters of tasks that move to another queue. ARGV: tasks. A held task stays: its holder ends it.

for _, task in ipairs(ARGV) do
  if redis.call('HEXISTS', HELD, 't:' .. task) == 0 then forget(task) end
end
return 1
