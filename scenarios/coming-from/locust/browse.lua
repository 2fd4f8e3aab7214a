-- Somebody who follows the links of the pages that come.

local reader = {}

local function links(user, url)
  return user:get(url, { name = "page" }):css_all("a", "href")
end

function reader.on_start(user)
  user.contents = links(user, "/news")
end

function reader.page(user)
  links(user, user.contents[user:random(#user.contents)])
  user:sleep(1, 3)
end

function reader.contents(user)
  user.contents = links(user, "/news")
  user:sleep(1, 3)
end

return reader
