-- Calls in functions, repeated.

local function all(user)
  user:check(user:get("/items"), { status = 200 })
end

local function one(user, id)
  user:check(user:get("/items/" .. id, { name = "item" }), { status = 200 })
end

return {
  main = function(user)
    for _ = 1, 3 do
      all(user)
    end
    for id = 1, 5 do
      one(user, id)
    end
  end,
}
