-- A GraphQL query, and a second request with what it found.

local QUERY = [[
query Items($first: Int!) {
  items(first: $first) { id name }
}]]

local api = {}

function api.setup(user)
  return user:post("/token", { json = { client = "load" }, keep_body = true }):json("access_token")
end

function api.main(user, token)
  local found = user:post("/graphql", {
    name = "items",
    bearer = token,
    json = { query = QUERY, variables = { first = 1 } },
  })
  local id = found:json("data.items[1].id")
  if user:check("an item was found", id ~= nil) then
    local change = { query = "mutation { like(id: " .. id .. ") { id } }" }
    user:check(user:post("/graphql", { name = "like", bearer = token, json = change }), { ok = true })
  end
  user:sleep(0.3)
end

return api
