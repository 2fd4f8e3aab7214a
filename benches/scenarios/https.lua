-- Pages of `cargo xtask bench https`, for as long as the load asks.
local https = {}

local function again(path)
  return function(user)
    while user:running() do
      local reply = user:get(path)
      if reply.status ~= 200 then
        error("status " .. reply.status .. ", " .. tostring(reply.failure))
      end
    end
  end
end

https.get = again("/")
https.plain = again("/plain")
https.gzip = again("/gzip")

return https
