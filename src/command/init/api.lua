-- A client that creates a note and reads it again.
local api = {}

function api.notes(user)
  local created = user:post("/echo", {
    name = "create note",
    json = { id = user:random(1, 1000000), text = "hello" },
    keep_body = true, -- the reply is read after the next request as well
  })
  if not user:check(created, { status = 200 }) then
    return
  end
  local id = created:json("id")
  local read = user:get("/bytes/200?id=" .. id, { name = "read note" })
  user:check(read, { status = 200 })
  user:get("/status/404", { name = "missing note", expect = 404 })
  user:sleep(0.05, 0.2)
end

return api
