-- Groups within groups, and an assertion on all response times.

local site = {}

function site.json(user)
  user:get("/items/1", { name = "json" })
end

function site.grouped(user)
  user:transaction("a", function()
    user:get("/items/1", { name = "json" })
    user:get("/bytes/1000", { name = "1k" })
  end)
  user:transaction("b", function()
    user:get("/bytes/10000", { name = "10k" })
    user:transaction("c", function()
      user:get("/bytes/1000", { name = "1k" })
    end)
  end)
end

return site
