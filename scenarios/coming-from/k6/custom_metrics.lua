-- Counters, gauges, rates and trends of the script's own.

local slowest = 0 -- of this core

return {
  main = function(user)
    local reply = user:get("/")
    user:count("visits")
    slowest = math.max(slowest, reply.latency_ms)
    user:gauge("slowest", slowest)
    user:rate("ok", user:check(reply, { status = 200 }))
    user:trend("latency", reply.latency_ms)
  end,
}
