-- One iteration is one call of the function; Mistress starts the next one at once.

local closed = {}

function closed.poll(user)
  local reply = user:get("/")
  user:check(reply, { status = 200 })
end

return closed
