-- One request, over and over, by ten users.

return {
  main = function(user)
    user:get("/")
  end,
}
