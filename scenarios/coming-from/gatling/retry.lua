-- A chain that is tried twice, and ends the user when it never works.

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
  for _ = 1, 2 do
    user:get("/login", { name = "form" })
    local reply = user:post("/items", { name = "post", form = { name = "Beautiful lamp" } })
    if user:check(reply, { status = 201 }) then
      return
    end
  end
  error("the item could not be made")
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
