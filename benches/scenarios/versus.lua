-- The least a scenario can do: get a page and look at its status, for as long as the load asks.
local versus = {}

function versus.get(user)
  while user:running() do
    local reply = user:get("/")
    if reply.status ~= 200 then
      error("status " .. reply.status)
    end
  end
end

return versus
