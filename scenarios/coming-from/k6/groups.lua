-- Groups within groups, thresholds on a metric and on the mean.

local site = {}

function site.main(user)
  user:transaction("visit", function()
    user:count("visits", 1, { kind = "test" })
    user:rate("lucky", user:random() < 0.5)
    user:transaction("json", function()
      local reply = user:post("/echo", { json = { x = "abc" }, headers = { ["x-test"] = "abc" } })
      user:check(reply, { status = 200, json_at = { x = "abc" } })
    end)
    user:transaction("html", function()
      local reply = user:get("/news")
      user:check(reply, { status = 200, header = { ["content-type"] = "text/html" }, css = { h1 = "News" } })
    end)
  end)
  user:sleep(0, 2)
end

return site
