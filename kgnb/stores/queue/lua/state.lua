-- Returns the queue's counts, as poll.lua reports them.

return state()
