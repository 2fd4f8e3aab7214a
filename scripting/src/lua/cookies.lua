-- The cookies of a user: `user:cookie`, `user:set_cookie`, `user:clear_cookies`.

local native, shared = ...

local fail, own, slot, User = shared.fail, shared.own, shared.slot, shared.User
local type = type

local function text(what, value)
  if type(value) ~= "string" then
    return fail(what .. " must be a string, not " .. native.kind(value))
  end
  return value
end

-- The value of a cookie, or nil: the one that a request to `url` would carry, or without a URL the
-- most recent one of that name.
function User:cookie(name, url)
  own(self, "cookie")
  text("user:cookie: the name", name)
  if url ~= nil then
    text("user:cookie: the URL", url)
  end
  local value, message = native.cookie(slot(), name, url)
  if message then
    return fail("user:cookie: " .. message)
  end
  return value
end

function User:set_cookie(name, value, options)
  own(self, "set_cookie")
  text("user:set_cookie: the name", name)
  text("user:set_cookie: the value", value)
  local _, message = native.set_cookie(slot(), name, value, options)
  if message then
    return fail("user:set_cookie: " .. message)
  end
end

function User:clear_cookies()
  own(self, "clear_cookies")
  native.clear_cookies(slot())
end
