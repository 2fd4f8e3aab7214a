-- Limits that decide about the exit code.

return {
  main = function(user)
    user:get("/")
    user:get("/bytes/5000", { name = "static" })
    user:sleep(0.5)
  end,
}
