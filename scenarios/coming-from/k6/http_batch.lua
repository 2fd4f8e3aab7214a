-- Several requests at once, and checks on each reply.

return {
  main = function(user)
    local home, news = unpack(user:batch { "/", { url = "/news", keep_body = true } })
    user:check(home, { status = 200 }, "home")
    user:check(news, { status = 200, contains = "Article 1" }, "news")
  end,
}
