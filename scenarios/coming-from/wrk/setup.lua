-- Numbers per user, and what each asked for and got.

local site = {}

function site.main(user)
  user.replies = (user.replies or 0) + (user:get("/").ok and 1 or 0)
end

function site.on_stop(user)
  log(("user %d got %d replies"):format(user.id, user.replies or 0))
end

return site
