-- One request by one user.

return {
  main = function(user)
    user:get("/items", { headers = { accept = "application/json" } })
  end,
}
