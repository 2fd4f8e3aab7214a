-- Searches from a file, each with what it should find.

return {
  search = function(user)
    local row = user:row("searches")
    local reply = user:get("/search", { name = "search", query = { q = row.text } })
    user:check("as many hits as expected", #(reply:json("hits") or {}) == tonumber(row.hits))
    user:sleep(0.2, 0.5)
  end,
}
