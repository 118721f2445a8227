-- Ends leases whose outcome is durable. ARGV: elsewhere, then member, token and asked of each. Returns 1 or 0 (lease
-- lost) each. A task's chapters are dropped with its item, those in flight too unless the task goes on elsewhere ("1").
-- If fresh items came in after the acknowledged claim, nobody has answered them: one waits again, as new.

local results, stay = {}, ARGV[1] == '1' and clock() or nil
for i = 2, #ARGV, 3 do
  local member, record = ARGV[i], held(ARGV[i], ARGV[i + 1])
  results[#results + 1] = record and 1 or 0
  if record then
    local kind, task, chapter = parts(member)
    let_go(member)
    if kind == 'c' then
      redis.call('SREM', rest(task), chapter)
    else
      forget(task, stay)
      if record.asked > math.max(record.answered, tonumber(ARGV[i + 2])) then redis.call(LAST_END, Q, record.item) end
    end
  end
end
return results
