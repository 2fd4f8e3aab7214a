-- Two kinds of users of a small site. Every call that waits looks like an ordinary function call.

local site = {}

function site.browse(user)
  local home = user:get("/")
  user:check(home, { status = 200, contains = "Welcome" })

  user:sleep(0.1, 0.5) -- seconds, drawn uniformly; users think before they click

  -- One name for many URLs, so that the report has one line for them.
  local size = user:random(1, 20) * 100
  local page = user:get("/bytes/" .. size, { name = "page" })
  user:check(page, { status = 200 })
end

function site.order(user)
  -- A transaction is a named group of requests; its duration is reported too.
  user:transaction("order", function()
    user:get("/delay/5") -- a page that the server delays by 5 ms
    local reply = user:post("/echo", {
      name = "confirm",
      json = { item = user:random(1, 1000), amount = 1 },
    })
    user:check(reply, { status = 200, contains = '"amount":1' })
  end)
end

return site
