-- Runs against any server that answers POST /echo with the body it was sent.

local signup = {}

-- Looks at a page, reads it as long as people do, and looks at another.
function signup.visitor(user)
  user:check(user:get("/"), { status = 200 })
  user:think { kind = "lognormal", mean = 0.3, sd = 0.2, max = 2 }
  user:get("/bytes/2000", { name = "terms" })
end

-- Signs one account up per pass, until there are no more.
function signup.clerk(user)
  local account = user:row("accounts")
  local reply = user:post("/echo", {
    name = "sign up",
    form = { user = account.user, password = account.password },
  })
  user:check("the account is told back", reply:match("user=" .. account.user) ~= nil)
  user:sleep(0.05, 0.15)
end

return signup
