-- Metrics split by a tag, and a request under a name of its own.

return {
  main = function(user)
    local country = user:random() < 0.5 and "de" or "fr"
    local reply = user:get("/search", { name = "search " .. country, query = { q = "lamp" } })
    user:trend("search", reply.latency_ms, { country = country })
  end,
}
