-- A section of the site with tasks of its own, left now and then.

local site = {}

local section = {
  function(user) user:get("/news/1", { name = "article" }) end,
  function(user) user:get("/news/2", { name = "article" }) end,
}

function site.index(user)
  user:get("/")
  user:sleep(0.5, 1)
end

function site.section(user)
  user:get("/news")
  while user:running() and user:random() < 0.75 do
    section[user:random(#section)](user)
    user:sleep(0.1, 0.3)
  end
end

return site
