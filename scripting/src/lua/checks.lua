-- `user:check`: conditions on a reply, each counted under its own name.

local native, shared = ...

local fail, own, slot = shared.fail, shared.own, shared.slot
local contains, matches, is_reply = shared.contains, shared.matches, shared.is_reply
local concat, sort = table.concat, table.sort
local abs = math.abs
local lower, sub = string.lower, string.sub
local next, tostring, type = next, tostring, type

local NAMES_MAX = 10000 -- size limit of the cache; further names are looked up each time
local EXACT_MAX = 2 ^ 53 -- up to here a number holds every whole number exactly
local SHOWN_MAX = 80 -- bytes of a value shown in a check's name

local ids, id_count = {}, 0

local function count(name, passed)
  local id = ids[name]
  if not id then
    id = native.check_name(name)
    if id_count < NAMES_MAX then
      ids[name] = id
      id_count = id_count + 1
    end
  end
  native.check(slot(), id, passed)
  return passed
end

local function shown(text)
  if #text > SHOWN_MAX then
    return '"' .. sub(text, 1, SHOWN_MAX) .. '..."'
  end
  return '"' .. text .. '"'
end

local function wrong(key, want, allowed)
  return fail("user:check: " .. key .. " must be " .. allowed .. ", not " .. native.kind(want))
end

local tests = {}

local status_names = {}

function tests.status(reply, want, prefix)
  local passed = false
  if type(want) == "number" then
    passed = reply.status == want
    local name = status_names[want]
    if not name then
      name = "status is " .. want
      if want >= 0 and want < 1000 then
        status_names[want] = name
      end
    end
    return count(prefix .. name, passed)
  elseif type(want) ~= "table" or #want == 0 then
    return wrong("status", want, "a number or a list of numbers")
  end
  for i = 1, #want do
    if type(want[i]) ~= "number" then
      return wrong("status", want[i], "a number or a list of numbers")
    end
    passed = passed or reply.status == want[i]
  end
  return count(prefix .. "status is " .. concat(want, " or "), passed)
end

function tests.ok(reply, want, prefix)
  if type(want) ~= "boolean" then
    return wrong("ok", want, "true or false")
  end
  return count(prefix .. (want and "is ok" or "is not ok"), reply.ok == want)
end

-- One string or several, each a check of its own.
local function each(key, reply, want, prefix, test)
  if type(want) == "string" then
    return count(prefix .. key .. " " .. shown(want), test(reply, want))
  elseif type(want) ~= "table" or #want == 0 then
    return wrong(key, want, "a string or a list of strings")
  end
  local all = true
  for i = 1, #want do
    if type(want[i]) ~= "string" then
      return wrong(key, want[i], "a string or a list of strings")
    end
    all = count(prefix .. key .. " " .. shown(want[i]), test(reply, want[i])) and all
  end
  return all
end

function tests.contains(reply, want, prefix)
  return each("contains", reply, want, prefix, contains)
end

function tests.matches(reply, want, prefix)
  return each("matches", reply, want, prefix, matches)
end

local function fits(reply, pattern)
  return reply:regex(pattern, 0) ~= nil
end

function tests.regex(reply, want, prefix)
  return each("regex", reply, want, prefix, fits)
end

function tests.header(reply, want, prefix)
  if type(want) ~= "table" then
    return wrong("header", want, 'a table like { ["content-type"] = "text/html" }')
  end
  local headers, all = reply.headers, true
  for name, value in next, want do
    if type(name) ~= "string" then
      return wrong("a name in header", name, "a string")
    end
    local found, passed, said = headers[name], nil, nil
    if type(value) == "boolean" then
      passed, said = (found ~= nil) == value, value and "is there" or "is absent"
    elseif type(value) == "string" then
      passed, said = found == value, "is " .. shown(value)
    else
      return wrong("header " .. name, value, "a string, true or false")
    end
    all = count(prefix .. "header " .. lower(name) .. " " .. said, passed) and all
  end
  return all
end

-- Values by name, each compared with a string, tested for presence with true or false, or passed to
-- a function.
local function found_under(key, reply, want, prefix, find)
  if type(want) ~= "table" then
    return wrong(key, want, "a table from names to a string, true, false or a function")
  end
  local all = true
  for name, value in next, want do
    if type(name) ~= "string" then
      return wrong("a name in " .. key, name, "a string")
    end
    local found, kind, passed, said = find(reply, name), type(value), nil, nil
    if kind == "boolean" then
      passed, said = (found ~= nil) == value, value and "is there" or "is absent"
    elseif kind == "string" then
      passed, said = found == value, "is " .. shown(value)
    elseif kind == "function" then
      passed, said = value(found), "holds"
    else
      return wrong(key .. " " .. name, value, "a string, true, false or a function")
    end
    all = count(prefix .. key .. " " .. name .. " " .. said, passed and true or false) and all
  end
  return all
end

local methods = shared.methods

function tests.css(reply, want, prefix)
  return found_under("css", reply, want, prefix, methods.css)
end

function tests.cookie(reply, want, prefix)
  return found_under("cookie", reply, want, prefix, methods.cookie)
end

local scalars = { string = true, number = true, boolean = true }

-- Paths into a JSON body, each with the expected value or a function of it.
function tests.json_at(reply, want, prefix)
  if type(want) ~= "table" then
    return wrong("json_at", want, 'a table like { ["user.name"] = "Ann" }')
  end
  local all = true
  for path, value in next, want do
    local kind = type(value)
    if type(path) ~= "string" then
      return wrong("a path in json_at", path, "a string")
    elseif kind ~= "function" and not scalars[kind] and not native.is_integer(value) then
      return wrong("json_at " .. path, value, "a string, a number, true, false or a function")
    end
    local found = reply:json(path)
    if kind == "number" and abs(value) > EXACT_MAX and native.is_integer(found) then
      return fail("user:check: json_at " .. path .. ": Lua rounds numbers above 2^53; write "
        .. 'integer("…") with all digits')
    end
    local passed, said = nil, nil
    if kind == "function" then
      passed, said = value(found), "holds"
    else
      passed, said = found == value, "is " .. (kind == "string" and shown(value) or tostring(value))
    end
    all = count(prefix .. "json " .. path .. " " .. said, passed and true or false) and all
  end
  return all
end

function tests.latency_ms_max(reply, want, prefix)
  if type(want) ~= "number" then
    return wrong("latency_ms_max", want, "a number of milliseconds")
  end
  return count(prefix .. "latency <= " .. want .. " ms", reply.latency_ms <= want)
end

local known = {}
for key in next, tests do
  known[#known + 1] = key
end
known[#known + 1] = "required"
sort(known)
known = concat(known, " ")
shared.conditions = known

local function conditions(reply, wanted, prefix)
  local all, failed = true, nil
  for key, want in next, wanted do
    local test = tests[key]
    if test then
      if not test(reply, want, prefix) then
        all, failed = false, key
      end
    elseif key ~= "required" then
      return fail("user:check: " .. native.unknown("condition", tostring(key), known))
    elseif type(want) ~= "boolean" then
      return wrong("required", want, "true or false")
    end
  end
  if wanted.required and not all then
    return fail("a required check did not pass: " .. prefix .. failed)
  end
  return all
end

-- check(reply, { status = 200, ... } [, name]), check(reply, name, function(reply) ... end) or
-- check(name, value). Returns whether all passed.
function shared.User.check(self, subject, what, extra)
  own(self, "check")
  if type(subject) == "string" then
    return count(subject, what and true or false)
  elseif not is_reply(subject) then
    return fail("user:check: the first argument must be a reply or a name, not " .. native.kind(subject))
  elseif type(what) == "table" then
    if extra ~= nil and type(extra) ~= "string" then
      return wrong("the name", extra, "a string")
    end
    return conditions(subject, what, extra and extra .. ": " or "")
  elseif type(what) == "string" and type(extra) == "function" then
    return count(what, extra(subject) and true or false)
  end
  return fail("user:check: after a reply, expected a table of conditions or a name and a function")
end
