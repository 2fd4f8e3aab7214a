-- Each iteration takes a row of a file.

return {
  main = function(user)
    local row = user:row("items")
    local reply = user:get("/items/" .. row.id, { name = "item " .. row.name })
    user:check(reply, { json_at = { name = row.name } })
    user:sleep(0.2)
  end,
}
