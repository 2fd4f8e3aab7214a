-- Two tasks, one of them three times as often, with a login before the first.

local site = {}

function site.on_start(user)
  user:post("/login", { form = { user = "ann", password = "secret" } })
end

function site.index(user)
  user:get("/")
  user:sleep(1, 2)
end

function site.news(user)
  user:get("/news")
  user:sleep(1, 2)
end

return site
