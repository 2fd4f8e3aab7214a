-- How many redirects are followed, for the run and for one request.

return {
  main = function(user)
    local refused = user:get("/account", { redirects = 0, expect = 302 })
    user:check(refused, { status = 302, header = { location = "/login" } }, "not followed")
    local followed = user:get("/account", { redirects = 1 })
    user:check("the form was reached", followed.ok and followed.url:match("/login$") ~= nil)
  end,
}
