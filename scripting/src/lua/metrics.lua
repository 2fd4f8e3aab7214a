-- `user:count`, `user:gauge`, `user:rate`, `user:trend`: custom metrics.

local native, shared = ...

local fail, own = shared.fail, shared.own
local concat, sort = table.concat, table.sort
local next, type = next, type

local User = shared.User
local NAMES_MAX = 10000 -- size limit of each cache; further names are looked up each time
local TAGS_MAX = 8

-- `name{color=red,size=2}`: tags are part of the name, in the order of their keys.
local function tagged(what, name, tags)
  if type(tags) ~= "table" then
    return fail("user:" .. what .. ': the tags must be a table such as { country = "de" }, not ' .. native.kind(tags))
  end
  local parts = {}
  for key, value in next, tags do
    local kind = type(value)
    if type(key) ~= "string" then
      return fail("user:" .. what .. ": the name of a tag must be a string, not " .. native.kind(key))
    elseif kind ~= "string" and kind ~= "number" then
      return fail("user:" .. what .. ": the tag " .. key .. " must be a string or a number, not " .. native.kind(value))
    end
    parts[#parts + 1] = key .. "=" .. value
  end
  if #parts > TAGS_MAX then
    return fail("user:" .. what .. ": " .. #parts .. " tags, at most " .. TAGS_MAX .. " are allowed")
  elseif #parts == 0 then
    return name
  end
  sort(parts)
  return name .. "{" .. concat(parts, ",") .. "}"
end

-- `read` converts the value to a number, or returns nil when it is not allowed.
local function metric(what, code, allowed, read)
  local ids, id_count = {}, 0
  User[what] = function(self, name, value, tags)
    own(self, what)
    local number = read(value)
    if not number then
      return fail("user:" .. what .. ": the value must be " .. allowed .. ", not " .. native.kind(value))
    elseif type(name) ~= "string" or name == "" then
      return fail("user:" .. what .. ": the name must be a string, not " .. (name == "" and "empty" or native.kind(name)))
    end
    if tags ~= nil then
      name = tagged(what, name, tags)
    end
    local id = ids[name]
    if not id then
      id = native.custom_name(code, name)
      if id_count < NAMES_MAX then
        ids[name] = id
        id_count = id_count + 1
      end
    end
    native.custom(id, number)
  end
end

local LARGEST = 1e300

local function positive(value)
  return type(value) == "number" and value >= 0 and value <= LARGEST and value or nil
end

metric("count", 0, "a number of at least 0", function(value)
  return positive(value == nil and 1 or value)
end)

metric("gauge", 1, "a number", function(value)
  return type(value) == "number" and value >= -LARGEST and value <= LARGEST and value or nil
end)

metric("rate", 2, "true or false", function(value)
  return value == true and 1 or value == false and 0 or nil
end)

metric("trend", 3, "a number of at least 0", positive)
