-- A recorded walk through a site, with the pauses that were recorded.

return {
  walk = function(user)
    user:get("/")
    user:sleep(0.7)
    user:get("/search?q=lamp", { name = "search" })
    user:sleep(0.2)
    user:get("/items/6", { name = "item" })
    user:sleep(0.3)
    for page = 1, 4 do
      user:get("/items?page=" .. page, { name = "page" })
      user:sleep(0.1)
    end
    user:post("/items", { form = { name = "Beautiful lamp", introduced = "2012-05-30" } })
  end,
}
