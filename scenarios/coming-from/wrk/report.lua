-- Percentiles: the summary has them all; --json and --csv write them.

return { main = function(user) user:get("/") end }
