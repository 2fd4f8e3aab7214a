-- The end after a hundred replies.

return { main = function(user) user:get("/") end }
