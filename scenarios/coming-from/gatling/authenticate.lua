-- A token that is fetched first and sent with what follows.

return {
  main = function(user)
    local token = user:post("/token", { json = { user = "admin", password = "admin" } }):json("access_token")
    local made = user:post("/items", { bearer = token, json = { name = "lamp", price = 12 } })
    user:check(made, { status = 201 })
    user:check(user:get("/private", { bearer = token }), { json_at = { secret = 42 } })
  end,
}
