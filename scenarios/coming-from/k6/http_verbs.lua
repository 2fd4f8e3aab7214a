-- Every method, with a check of what the server heard.

local verbs = {}

function verbs.main(user)
  user:check(user:get("/headers", { query = { verb = "get" } }), { matches = "^GET /headers%?verb=get" })
  for _, method in ipairs { "POST", "PUT", "PATCH", "DELETE" } do
    local reply = user:request(method, "/echo", { json = { verb = method } })
    user:check(reply, { status = 200, json_at = { verb = method } }, method)
  end
end

return verbs
