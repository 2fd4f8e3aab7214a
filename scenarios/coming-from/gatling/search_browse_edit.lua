-- Two kinds of users that share chains, with searches from a file.

local shop = {}

local function search(user)
  user:get("/")
  user:sleep(0.1)
  local row = user:row("searches")
  local hits = user:get("/search", { name = "search", query = { q = row.text } })
  local id = hits:json("hits[?name == '" .. row.name .. "'].id")[1]
  user:sleep(0.1)
  user:check(user:get("/items/" .. id, { name = "select" }), { status = 200 })
end

local function browse(user)
  for page = 1, 4 do
    user:get("/items?page=" .. page, { name = "page " .. page })
    user:sleep(0.1)
  end
end

local function edit(user)
  user:get("/login", { name = "form" })
  user:sleep(0.1)
  user:post("/items", { form = { name = "Beautiful lamp", company = 37 } })
end

function shop.users(user)
  search(user)
  browse(user)
end

function shop.admins(user)
  search(user)
  browse(user)
  edit(user)
end

return shop
