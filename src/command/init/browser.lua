-- A visit: pages with their embedded resources, a form, time to think.
local browser = {}

function browser.visit(user)
  -- The page, and at once the style sheets, scripts and images that it names.
  local home, assets = user:page("/", { name = "home", assets = { name = "asset" } })
  user:check(home, { status = 200, contains = "Welcome" }, "home")
  for _, asset in ipairs(assets) do
    user:check(asset, { status = 200 }, "asset")
  end
  user:think { kind = "lognormal", mean = 0.3, sd = 0.2, max = 1 }

  -- Some requests at the same time, as scripts of a page make them.
  user:parallel {
    function() user:get("/bytes/2000", { name = "news" }) end,
    function() user:get("/delay/10", { name = "prices" }) end,
  }

  local reply = user:post("/echo", { name = "sign up", form = { email = "ann@example.com" } })
  user:check(reply, { status = 200, contains = "ann%40example.com" }, "signed up")
end

return browser
