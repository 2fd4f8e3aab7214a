-- Values made up for each request: numbers in turn, names and dates at random.

local ids = 0 -- of this core

local function item(user)
  ids = ids + 1
  return {
    id = ids,
    name = ("item-%05d"):format(user:random(0, 99999)),
    introduced = os.date("!%Y-%m-%d", os.time() - user:random(365) * 86400),
    rating = ("rating-%d"):format(user:random(5)),
  }
end

return {
  main = function(user)
    local token = user:post("/token", { json = { user = "admin" } }):json("access_token")
    for _ = 1, 5 do
      user:check(user:post("/items", { bearer = token, json = item(user) }), { status = 201 })
      user:sleep(0.1)
    end
  end,
}
