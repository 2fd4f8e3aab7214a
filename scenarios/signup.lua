-- Runs against any server that answers POST /echo with the body it was sent.

local signup = {}

-- Opens a page, reads it like a person would, and opens another.
function signup.visitor(user)
  user:check(user:get("/"), { status = 200 })
  user:think { kind = "lognormal", mean = 0.3, sd = 0.2, max = 2 }
  user:get("/bytes/2000", { name = "terms" })
end

-- Signs up one account per iteration, until there are none left.
function signup.clerk(user)
  local account = user:row("accounts")
  local reply = user:post("/echo", {
    name = "sign up",
    form = { user = account.user, password = account.password },
  })
  user:check("the reply contains the account", reply:match("user=" .. account.user) ~= nil)
  user:sleep(0.05, 0.15)
end

return signup
