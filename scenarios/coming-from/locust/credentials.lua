-- Every user logs in with an account of its own.

local shop = {}

function shop.on_start(user)
  local account = user:row("accounts")
  user:post("/login", { form = account })
end

function shop.main(user)
  user:check(user:get("/account"), { contains = "Hello" })
  user:sleep(1, 2)
end

return shop
