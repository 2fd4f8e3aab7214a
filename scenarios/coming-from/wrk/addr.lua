-- A name with several addresses, one of them at random for each connection.

return { main = function(user) user:get("/") end }
