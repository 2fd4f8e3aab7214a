-- A loop without end that the time limit ends.

return {
  main = function(user)
    user:get("/items")
    user:sleep(0.5)
    user:get("/items/2", { name = "item" })
    user:sleep(0.5)
  end,
}
