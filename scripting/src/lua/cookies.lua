-- Cookies: `user:cookie`, `user:set_cookie`, `user:clear_cookies`, and the same functions of the
-- jars that `user:cookie_jar` makes.

local native, shared = ...

local fail, own, slot, User = shared.fail, shared.own, shared.slot, shared.User
local collectgarbage, getmetatable, setmetatable, tostring, type =
  collectgarbage, getmetatable, setmetatable, tostring, type

local Jar = {}
local kept = setmetatable({}, { __mode = "v" }) -- the jars that the script holds, by their number

local function text(who, what, value)
  if type(value) ~= "string" then
    return fail(who .. what .. " must be a string, not " .. native.kind(value))
  end
  return value
end

-- Adds the functions to `methods`. `jar_of` checks the object that one of them is called on and
-- returns its jar: nil for the user's own.
local function define(methods, who, jar_of)
  local in_cookie, in_set, in_clear = who .. ":cookie: ", who .. ":set_cookie: ", who .. ":clear_cookies: "

  -- The value of a cookie, or nil: the one that a request to `url` would carry, or without a URL
  -- the most recent one of that name.
  function methods:cookie(name, url)
    local jar = jar_of(self, "cookie")
    text(in_cookie, "the name", name)
    if url ~= nil then
      text(in_cookie, "the URL", url)
    end
    local value, message = native.cookie(slot(), jar, name, url)
    if message then
      return fail(in_cookie .. message)
    end
    return value
  end

  function methods:set_cookie(name, value, options)
    local jar = jar_of(self, "set_cookie")
    text(in_set, "the name", name)
    text(in_set, "the value", value)
    local message = native.set_cookie(slot(), jar, name, value, options)
    if message then
      return fail(in_set .. message)
    end
  end

  function methods:clear_cookies()
    local message = native.clear_cookies(slot(), jar_of(self, "clear_cookies"))
    if message then
      return fail(in_clear .. message)
    end
  end
end

define(User, "user", own)
define(Jar, "jar", function(self, what)
  if getmetatable(self) ~= "cookie jar" then
    return fail("jar:" .. what .. " was not called on a cookie jar: write jar:" .. what .. "(...)")
  end
  return self
end)

-- A new jar without cookies, besides the user's own.
function User:cookie_jar()
  own(self, "cookie_jar")
  local jar, message = native.cookie_jar(slot(), kept)
  if not jar then
    collectgarbage() -- those that the script has let go of count until they are collected
    jar, message = native.cookie_jar(slot(), kept)
  end
  if not jar then
    return fail("user:cookie_jar: " .. message)
  end
  return jar
end

setmetatable(Jar, {
  __index = function(_, key)
    return fail(native.unknown("function of a cookie jar:", tostring(key), "clear_cookies cookie set_cookie"))
  end,
})
shared.jar_meta.__index, shared.jar_meta.__metatable = Jar, "cookie jar"
shared.cookie_jar = Jar
