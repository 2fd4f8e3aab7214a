-- Pages of `cargo xtask bench https`, for as long as the load asks.
local https = {}

local function again(path, options)
  return function(user)
    while user:running() do
      local reply = user:get(path, options)
      if reply.status ~= 200 then
        error("status " .. reply.status .. ", " .. tostring(reply.failure))
      end
    end
  end
end

https.get = again("/")
https.once = again("/", { keepalive = false }) -- a connection and a handshake each
https.plain = again("/plain")
https.gzip = again("/gzip")

return https
