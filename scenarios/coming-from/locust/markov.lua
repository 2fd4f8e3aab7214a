-- What comes next depends on what came before.

local next_of = {
  home = { "news", "news", "search" },
  news = { "article", "article", "home" },
  article = { "news", "home" },
  search = { "item", "search" },
  item = { "home", "search" },
}
local pages = {
  home = "/", news = "/news", article = "/news/1", search = "/search?q=lamp", item = "/items/5",
}

return {
  visit = function(user)
    local place = user.place or "home"
    user:get(pages[place], { name = place })
    local choices = next_of[place]
    user.place = choices[user:random(#choices)]
    user:sleep(0.2, 0.6)
  end,
}
