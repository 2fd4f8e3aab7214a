-- Users that are mostly asleep: what one costs is what it holds, not what it does.
local memory = {}

function memory.poll(user)
  while user:running() do
    user:get("/")
    user:sleep(1, 2)
  end
end

return memory
