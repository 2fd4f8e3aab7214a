-- The globals of scripts: selected functions, nothing else, and no new ones.

local native, shared = ...

local fail = shared.fail
local error, getmetatable, next, pcall, select, setmetatable, tonumber, tostring, type =
  error, getmetatable, next, pcall, select, setmetatable, tonumber, tostring, type
local collectgarbage, concat = collectgarbage, table.concat

local function copy(from, without)
  local to = {}
  for key, value in next, from do
    if key ~= without then
      to[key] = value
    end
  end
  return to
end

-- Names of plain Lua that scripts lack, with the explanation.
local absent = {
  io = "scripts have no file access",
  debug = "scripts have no debug library",
  ffi = "scripts have no ffi",
  jit = "scripts have no jit library",
  package = "use require, which searches the script's folder",
  module = "return a table from the file instead",
  _G = "scripts have no table of globals",
  load = "scripts can't make code at run time",
  loadstring = "scripts can't make code at run time",
  loadfile = "use require, which searches the script's folder",
  dofile = "use require, which searches the script's folder",
  getfenv = "environments are fixed",
  setfenv = "environments are fixed",
  newproxy = "scripts have no userdata",
  gcinfo = 'use collectgarbage("count")',
}

local env = {
  _VERSION = _VERSION,
  assert = assert,
  error = error,
  getmetatable = getmetatable,
  ipairs = ipairs,
  next = next,
  pairs = pairs,
  pcall = pcall,
  rawequal = rawequal,
  rawget = rawget,
  rawset = rawset,
  select = select,
  setmetatable = setmetatable,
  tostring = tostring,
  type = type,
  unpack = unpack,
  xpcall = xpcall,
  bit = copy(bit),
  coroutine = shared.coroutine,
  math = copy(math),
  string = copy(string, "dump"),
  table = copy(table),
  os = { date = os.date, difftime = os.difftime, time = os.time, clock = native.elapsed },
  null = shared.null,
}

-- The variables of the run: nil where one is not set.
env.env = setmetatable({}, {
  __index = shared.variables,
  __newindex = function(_, name)
    return fail("env." .. tostring(name) .. ": variables can't be changed")
  end,
  __metatable = "env",
})

for name, functions in next, shared.toolbox do
  env[name] = functions
end

local strings = getmetatable("")
strings.__index = env.string
strings.__metatable = "string"

env.math.random = shared.random
function env.math.randomseed()
  return fail("math.randomseed: the profile sets the seed, so that runs are reproducible")
end

function env.collectgarbage(what)
  if what ~= "count" then
    return fail('collectgarbage: only collectgarbage("count") is there')
  end
  return collectgarbage("count")
end

-- A whole number above 2^53, from its digits; a smaller one is a number.
function env.integer(digits)
  local whole, message = native.integer(digits)
  if whole == nil then
    return fail("integer: " .. message .. ", not " .. native.kind(digits))
  end
  return whole
end

-- For an integer, the nearest number.
function env.tonumber(value, base)
  if type(value) == "table" and native.is_integer(value) then
    value = tostring(value)
  end
  return tonumber(value, base)
end

-- Marks a table as a JSON array, so that an empty one is written [].
function env.array(list)
  if list == nil then
    list = {}
  elseif type(list) ~= "table" or getmetatable(list) ~= nil then
    return fail("array: expected a plain table, not " .. native.kind(list))
  end
  return setmetatable(list, shared.array)
end

local function log(...)
  local texts = {}
  for i = 1, select("#", ...) do
    texts[i] = tostring((select(i, ...)))
  end
  native.log(shared.slot(), concat(texts, "\t"))
end

env.log, env.print = log, log

function shared.User.log(self, ...)
  shared.own(self, "log")
  log(...)
end

-- The content of a file below the script's folder, before the load.
function env.read(name)
  if type(name) ~= "string" then
    return fail("read: the name must be a string, not " .. native.kind(name))
  end
  local content, message = native.read(name)
  if not content then
    return fail("read: " .. message)
  end
  return content
end

local files = {} -- by name as required
local loaded, loading = {}, {} -- by file

function env.require(name)
  if type(name) ~= "string" then
    return fail("require: the name must be a string, not " .. native.kind(name))
  end
  local file, message = files[name], nil
  if not file then
    file, message = native.resolve(name)
    if not file then
      return fail("require: " .. message)
    end
    files[name] = file
  end
  if loaded[file] ~= nil then
    return loaded[file]
  elseif loading[file] then
    return fail("require: " .. file .. " is still being loaded: the files require each other")
  end
  local chunk
  chunk, message = native.compile(file)
  if not chunk then
    return fail("require: " .. message)
  end
  loading[file] = true
  local ok, value = pcall(chunk, name)
  loading[file] = nil
  if not ok then
    return error(value, 0)
  elseif value == nil then
    value = true
  end
  loaded[file] = value
  return value
end

setmetatable(env, {
  __index = function(_, name)
    local why = absent[name]
    if why then
      return fail("'" .. name .. "' is not available: " .. why)
    end
    return fail("undefined global '" .. tostring(name) .. "'")
  end,
  __newindex = function(_, name)
    return fail("undeclared global '" .. tostring(name) .. "': put 'local' before it")
  end,
  __metatable = "globals",
})

-- Nothing reaches the real globals any more, so missing names can't be resolved by accident.
local globals = getfenv(0)
for name in next, copy(globals) do
  globals[name] = nil
end

return env
