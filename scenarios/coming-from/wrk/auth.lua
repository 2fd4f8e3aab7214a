-- The first reply brings a token that all later requests of the user carry.

local api = {}

function api.on_start(user)
  user.token = user:post("/token"):json("access_token")
end

function api.main(user)
  user:get("/private", { bearer = user.token })
end

return api
