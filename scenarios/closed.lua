-- One iteration is one pass through the function; the tool starts the next at once.

local closed = {}

function closed.poll(user)
  local reply = user:get("/")
  user:check(reply, { status = 200 })
end

return closed
