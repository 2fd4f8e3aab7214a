-- Users that become more, stay, and become fewer.

return {
  main = function(user)
    user:check(user:get("/"), { status = 200 })
    user:sleep(1)
  end,
}
