-- Nothing, some at once, a ramp, a constant rate, a ramp of rates, a peak.

return {
  main = function(user)
    user:get("/items")
    user:sleep(0.5)
    user:get("/items/3", { name = "item" })
  end,
}
