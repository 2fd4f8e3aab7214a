-- A JSON reply, decoded and looked into.

return {
  main = function(user)
    local item = user:get("/items/7", { name = "item" })
    user:check(item, { status = 200, json_at = { id = 7, name = "table 7" } })
  end,
}
