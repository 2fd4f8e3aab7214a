-- Queries on a reply's body: `json`, `regex`, `css`, `xpath`. Rust does the work and reads the body in
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

local function namespaces_of(what, namespaces)
  if namespaces ~= nil and type(namespaces) ~= "table" then
    return fail(what .. ": the namespaces must be a table from prefix to URI, not " .. native.kind(namespaces))
  end
end

-- The text of the first node that an XPath expression finds, or the value that it has; nil when
-- there is no node, and nil and an error when the body is not XML.
function methods.xpath(reply, expression, namespaces)
  checked(reply, "xpath")
  text("reply:xpath", "expression", expression)
  namespaces_of("reply:xpath", namespaces)
  return ask(reply, "reply:xpath", native.xpath, expression, namespaces)
end

-- Like `xpath`, for all nodes, as a list.
function methods.xpath_all(reply, expression, namespaces)
  checked(reply, "xpath_all")
  text("reply:xpath_all", "expression", expression)
  namespaces_of("reply:xpath_all", namespaces)
  local found, why = ask(reply, "reply:xpath_all", native.xpath_all, expression, namespaces)
  return found or {}, why
end

-- The same queries on any text.
local function query(what, find)
  return function(given, expression, namespaces)
    text(what, "text", given)
    text(what, "expression", expression)
    namespaces_of(what, namespaces)
    local _, fault, value, why = find(given, expression, namespaces)
    if fault then
      return fail(what .. ": " .. fault)
    end
    return value, why
  end
end

shared.xml = {
  xpath = query("xml.xpath", native.xpath),
  xpath_all = query("xml.xpath_all", native.xpath_all),
}

-- The value of a cookie that this reply sets, or nil.
function methods.cookie(reply, name)
  checked(reply, "cookie")
  text("reply:cookie", "name", name)
  return reply.cookies[name]
end
