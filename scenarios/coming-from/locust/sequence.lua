-- Tasks in a fixed order: contents, some pages, the end.

return {
  read = function(user)
    local links = user:get("/news"):css_all("a", "href")
    for _ = 1, 3 do
      user:sleep(0.3, 0.6)
      user:get(links[user:random(#links)], { name = "article" })
    end
    user:get("/")
  end,
}
