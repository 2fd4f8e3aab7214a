-- A login whose form has a token against forged requests.

return {
  main = function(user)
    local token = user:get("/login"):css("input[name=csrf]", "value")
    local reply = user:post("/login", {
      form = { user = "ann", password = "secret", csrf = token },
    })
    user:check(reply, { contains = "Hello ann" }, "logged in")
    user:sleep(1, 2)
  end,
}
