-- Runs against any server that answers POST /echo with the body it was sent.

local api = {}

-- Once per run, before all users. Every user gets its result as `data`.
function api.setup(user)
  local reply = user:post("/echo", {
    name = "issue a token",
    json = { token = "t-" .. user:random(100000, 999999) },
    keep_body = true,
  })
  local answer, why = reply:json()
  if not answer then
    error("no token: " .. (why or reply.failure))
  end
  return { token = answer.token }
end

-- Once per user, before its first iteration. The script may set any field of `user`.
function api.on_start(user, data)
  user.session = { authorization = "Bearer " .. data.token, ["x-user"] = tostring(user.id) }
end

function api.client(user)
  user:transaction("create and read", function()
    local created = user:post("/echo", {
      name = "create",
      headers = user.session,
      json = { title = "note " .. user.id, tags = { "a", "b" }, draft = true },
    })
    local note = created:json()
    user:check("create answers with the note", note ~= nil and note.title == "note " .. user.id)

    user:sleep(0.05, 0.2)

    local read = user:get("/headers", {
      name = "read",
      headers = user.session,
      query = { id = user.id, fields = { "title", "tags" } },
      timeout = "500ms",
    })
    user:check(read, { status = 200, latency_ms_max = 500, contains = "x-user" })
  end)

  local missing = user:get("/status/404", { name = "look for nothing", expect = 404 })
  user:check(missing, { ok = true, status = 404 })
end

-- Once per user, after its last iteration.
function api.on_stop(user)
  user:post("/echo", { name = "log out", headers = user.session, body = "bye" })
end

-- Once per run, after all users.
function api.teardown(user, data)
  user:delete("/echo", { name = "revoke the token", bearer = data.token })
end

return api
