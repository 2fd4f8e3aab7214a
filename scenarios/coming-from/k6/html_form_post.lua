-- A form with a repeated field, and checks on what arrived.

local form = {
  name = "Ann Example",
  telephone = "5550123",
  topping = { "onion", "olives", "cheese" },
}

return {
  main = function(user)
    local reply = user:post("/echo", { form = form, keep_body = true })
    user:check(reply, { status = 200, contains = { "name=Ann+Example", "telephone=5550123" } })
    local _, toppings = reply.body:gsub("topping=", "")
    user:check("all toppings arrived", toppings == 3)
  end,
}
