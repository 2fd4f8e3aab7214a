-- Requests and a metric split by a tag, and a threshold on one.

return {
  main = function(user)
    local country = user:random() < 0.5 and "de" or "fr"
    local reply = user:get("/search", { tags = { country = country }, query = { q = "lamp" } })
    user:trend("search", reply.latency_ms, { country = country })
  end,
}
