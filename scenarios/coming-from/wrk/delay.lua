-- A pause of 10 to 50 ms before each request.

return {
  main = function(user)
    user:sleep(0.01, 0.05)
    user:get("/")
  end,
}
