-- Pauses of a distribution of one's own.

return {
  main = function(user)
    user:get("/")
    user:think { kind = "lognormal", mean = 0.8, sd = 0.4, max = 3 }
  end,
}
