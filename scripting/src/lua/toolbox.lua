-- The tables of the toolbox (`hash`, `url`, `time` …) and its methods of users, from the functions
-- that Rust registers under their full names.

local native, shared = ...

local fail, own, slot = shared.fail, shared.own, shared.slot
local concat, sort = table.concat, table.sort
local match = string.match
local next, setmetatable, tostring, type = next, setmetatable, tostring, type

local User = shared.User
local groups = { xml = shared.xml }

-- `fault` says what is wrong with an argument.
local function answer(name, fault, ...)
  if fault then
    return fail(name .. ": " .. fault)
  end
  return ...
end

for name, fn in next, native.toolbox do
  local method = match(name, "^user:(.+)$")
  if method then
    User[method] = function(self, ...)
      own(self, method)
      return answer(name, fn(slot(), ...))
    end
  else
    local group, key = match(name, "^(.+)%.(.+)$")
    groups[group] = groups[group] or {}
    groups[group][key] = function(...)
      return answer(name, fn(...))
    end
  end
end

for group, functions in next, groups do
  local known = {}
  for key in next, functions do
    known[#known + 1] = key
  end
  sort(known)
  known = concat(known, " ")
  setmetatable(functions, {
    __index = function(_, key)
      return fail(native.unknown("function of " .. group .. ":", tostring(key), known))
    end,
    __metatable = group,
  })
end

-- One item of a list, each as likely as any other.
function User:choice(list)
  own(self, "choice")
  if type(list) ~= "table" or #list == 0 then
    local found = type(list) == "table" and "an empty one" or native.kind(list)
    return fail("user:choice: the list must be a table with at least one item, not " .. found)
  end
  return list[shared.random(#list)]
end

-- What a user's fields do not hold because few scripts ask for it.
local asked = { iteration = native.iteration, index = native.user_index }

setmetatable(User, {
  __index = function(_, key)
    local ask, at = asked[key], slot()
    return ask and at and ask(at)
  end,
})

local run = {}
run.id, run.name = native.run()

-- Ends the run at once.
function run.abort(reason)
  if type(reason) ~= "string" or reason == "" then
    local found = reason == "" and "an empty one" or native.kind(reason)
    return fail("run.abort: the reason must be a string, not " .. found)
  end
  local at = slot()
  if at and native.abort(at, reason) then
    shared.halt()
  end
  return fail("the script aborted the run: " .. reason)
end

groups.run = run
shared.toolbox = groups
