-- wrk -c64 -d10s URL: 64 connections, each with the next request at once.

return { main = function(user) user:get("/") end }
