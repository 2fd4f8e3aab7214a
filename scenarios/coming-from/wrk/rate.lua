-- wrk2 -R2000: a constant rate, with latency from the moment a request was due.

return { main = function(user) user:get("/") end }
