-- A pause after each task; one task every ten seconds; and truly open arrivals.

return {
  closed = function(user)
    user:get("/")
    user:sleep(1)
  end,
  task = function(user)
    user:get("/news")
  end,
}
