-- Runs against any server that answers POST /echo with the body it was sent.

local signup = {}

-- Looks at a page, reads for a while, and looks at another.
function signup.visitor(user)
  user:check(user:get("/"), { status = 200 })
  user:sleep(0.1, 0.6)
  user:get("/bytes/2000", { name = "terms" })
end

-- Signs somebody up, again and again.
function signup.clerk(user)
  local name = "user" .. user:random(1, 1000000)
  local reply = user:post("/echo", { name = "sign up", form = { user = name, password = "secret" } })
  user:check("the account is told back", reply:match("user=" .. name) ~= nil)
  user:sleep(0.05, 0.15)
end

return signup
