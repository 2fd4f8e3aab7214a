-- Another path and another header for each request.

local counter = 0 -- of this core

return {
  main = function(user)
    user:get("/bytes/" .. counter % 1000, { name = "counted", headers = { ["x-counter"] = counter } })
    counter = counter + 1
  end,
}
