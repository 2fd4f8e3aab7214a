-- Replies that are judged by their content; the first failure ends the iteration.

return {
  buy = function(user)
    local login = user:post("/token", { json = { user = "ann" }, keep_body = true })
    user:check(login, "no error", function(reply) return reply:json("error") == nil end)
    user:check(login, { json_at = { token_type = "Bearer" }, required = true }, "token")
    local order = user:post("/cart", { json = { item = 1 }, bearer = login:json("access_token") })
    user:check("the order has an id", order:json("id") ~= nil)
  end,
}
