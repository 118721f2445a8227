-- Ends leases whose outcome is durable. ARGV: member, token and asked of each. Returns 1 or 0 (lease lost) each.
-- A task's chapters are dropped with its item, leased ones too. If fresh items came in after the acknowledged
-- claim, nobody has answered them: one waits again, as new.

local results = {}
for i = 1, #ARGV, 3 do
  local member, record = ARGV[i], held(ARGV[i], ARGV[i + 1])
  results[#results + 1] = record and 1 or 0
  if record then
    local kind, task, chapter = parts(member)
    let_go(member)
    if kind == 'c' then
      redis.call('SREM', rest(task), chapter)
    else
      forget(task)
      if record.asked > math.max(record.answered, tonumber(ARGV[i + 2])) then redis.call(LAST_END, Q, record.item) end
    end
  end
end
return results
