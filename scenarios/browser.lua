-- A person with a browser: a page with its embedded resources, a form login, some browsing
-- in a session kept by a cookie, and a logout.
--
-- The site is the small shop of testkit/app; see browser.toml for how to start it.
local browser = {}

-- The hidden CSRF token in every form of the site.
local function token(page)
  return page:css("input[name=csrf]", "value")
end

function browser.visit(user)
  local home, assets = user:page("/", { name = "home", assets = { name = "asset" } })
  user:check(home, { status = 200, contains = "Welcome" }, "home")
  local complete = #assets == 5
  for _, asset in ipairs(assets) do
    complete = complete and asset.status == 200
  end
  user:check("the page is complete", complete)
  user:think { kind = "lognormal", mean = 0.3, sd = 0.2, max = 1 }

  local account = user:transaction("log in", function()
    local form = user:get("/login", { keep_body = true })
    return user:post("/login", {
      form = { csrf = token(form), user = "ann", password = "secret" },
      keep_body = true,
    })
  end)
  -- The reply was a redirect, which was followed.
  user:check(account, { status = 200, contains = "Hello ann" }, "account")
  user:think { kind = "lognormal", mean = 0.3, sd = 0.2, max = 1 }

  local again = user:get("/account", { keep_body = true })
  user:check(again, { status = 200, contains = "Hello ann" }, "session")
  user:post("/logout", { form = { csrf = token(again) }, referer = again.url })
  local after = user:get("/account", { name = "after logout" })
  user:check("logged out", after.url:match("/login$") ~= nil)

  -- The next visit is by another person.
  user:clear_cookies()
end

return browser
