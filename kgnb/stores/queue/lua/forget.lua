-- Tasks of this queue go on elsewhere: their chapters go here. ARGV: tasks. A held task is its holder's to end.

for _, task in ipairs(ARGV) do
  if redis.call('HEXISTS', HELD, 't:' .. task) == 0 then forget(task) end
end
return 1
