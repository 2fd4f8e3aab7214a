-- Queries on a reply's body: `json`, `regex`, `css`. Rust does the work and reads the body in
-- place: nothing is copied for a script that only needs a part of it.

local native, shared = ...

local fail, slot_of, body_of, checked = shared.fail, shared.slot_of, shared.body_of, shared.checked
local methods = shared.methods
local rawget, type = rawget, type

local function answered(reply, what, had, fault, ...)
  if fault then
    return fail(what .. ": " .. fault)
  elseif had then
    return ...
  end
  body_of(reply, what) -- an error, unless the request failed
  return nil, "no body: " .. (reply.failure or "the request failed")
end

local function ask(reply, what, find, ...)
  local source = rawget(reply, "body")
  if source == nil then
    source = slot_of(reply)
  end
  if source == nil then
    return answered(reply, what, false)
  end
  return answered(reply, what, find(source, ...))
end

local function text(what, name, value)
  if type(value) ~= "string" then
    return fail(what .. ": the " .. name .. " must be a string, not " .. native.kind(value))
  end
end

-- The decoded body, or nil and an error; with a path such as "items[1].id", the value found there.
function methods.json(reply, path)
  checked(reply, "json")
  if path == nil then
    return ask(reply, "reply:json", native.json_decode)
  end
  text("reply:json", "path", path)
  return ask(reply, "reply:json", native.json_at, path)
end

local function group_of(what, group)
  local kind = type(group)
  if group ~= nil and kind ~= "number" and kind ~= "string" then
    return fail(what .. ": the group must be a number or a name, not " .. native.kind(group))
  end
end

-- From the first match: the given group, or all groups, or the whole match if there are none;
-- otherwise nil.
function methods.regex(reply, pattern, group)
  checked(reply, "regex")
  text("reply:regex", "pattern", pattern)
  group_of("reply:regex", group)
  return ask(reply, "reply:regex", native.regex, pattern, group)
end

-- Like `regex`, for all matches, as a list.
function methods.regex_all(reply, pattern, group)
  checked(reply, "regex_all")
  text("reply:regex_all", "pattern", pattern)
  group_of("reply:regex_all", group)
  return ask(reply, "reply:regex_all", native.regex_all, pattern, group) or {}
end

-- The given attribute of the first element that matches, or its text; nil when there is none.
function methods.css(reply, selector, attribute)
  checked(reply, "css")
  text("reply:css", "selector", selector)
  if attribute ~= nil then
    text("reply:css", "attribute", attribute)
  end
  return ask(reply, "reply:css", native.css, selector, attribute)
end

-- Like `css`, for all elements, as a list.
function methods.css_all(reply, selector, attribute)
  checked(reply, "css_all")
  text("reply:css_all", "selector", selector)
  if attribute ~= nil then
    text("reply:css_all", "attribute", attribute)
  end
  return ask(reply, "reply:css_all", native.css_all, selector, attribute) or {}
end

-- The value of a cookie that this reply sets, or nil.
function methods.cookie(reply, name)
  checked(reply, "cookie")
  text("reply:cookie", "name", name)
  return reply.cookies[name]
end
