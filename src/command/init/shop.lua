-- Two kinds of visitors. Calls that wait look like ordinary function calls.
local shop = {}

function shop.browse(user)
  local home = user:get("/")
  user:check(home, { status = 200, contains = "Welcome" })
  user:sleep(0.1, 0.5) -- seconds, drawn at random: the visitor reads

  -- One name for many URLs, so that the report has one line for them.
  user:get("/bytes/" .. user:random(1, 20) * 100, { name = "item" })
end

function shop.buy(user)
  -- The requests of a transaction are measured together, too.
  user:transaction("buy", function()
    user:get("/delay/5", { name = "cart" }) -- the server takes 5 ms
    local paid = user:post("/echo", {
      name = "pay",
      json = { item = user:random(1, 1000), amount = 1 },
    })
    user:check(paid, { status = 200, contains = '"amount":1' })
  end)
end

return shop
