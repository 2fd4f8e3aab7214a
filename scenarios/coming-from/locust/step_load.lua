-- Ten more users every thirty seconds.

return {
  main = function(user)
    user:get("/")
    user:sleep(0.5, 1)
  end,
}
