-- Statuses that are checked, and a value of one reply used in the next request.

return {
  main = function(user)
    local list = user:get("/items")
    user:check(list, { status = { 200, 201, 202 } })
    local id = list:json("items[2].id")
    user:sleep(0.1, 0.5)
    local item = user:get("/items/" .. id, { name = "item" })
    user:check(item, { status = 200, json_at = { name = "table 2" } })
  end,
}
