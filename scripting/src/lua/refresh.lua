-- `user:refresh`: a value that one user of the core gets for all, and gets again when it is old.

local native, shared = ...

local fail, left, waits = shared.fail, shared.left, shared.waits
local error, rawequal, type, xpcall = error, rawequal, type, xpcall

local User, users = shared.User, shared.users
local DAY = 86400 -- seconds, the longest time
local NAMES_MAX = 10000
local LOOK_EVERY = 0.01 -- seconds: how soon those who wait see the value

-- By name: `value` and `ends`, the moment from which it is old; `by` and `slot`, the user who gets
-- it at the moment.
local values, count = {}, 0

-- Whether somebody gets the value at the moment: a user that was stopped does not any more.
local function is_busy(entry)
  return entry.by and users[entry.slot] == entry.by
end

local function get(self, entry, name, seconds, fn)
  entry.by, entry.slot = self, shared.slot()
  local ok, value = xpcall(fn, shared.trace, self)
  entry.by, entry.slot = nil, nil
  if not ok then
    if rawequal(value, left) then
      return error(left, 0)
    end
    local text, calls = shared.take_failure()
    return shared.rethrow(value, text, calls)
  elseif value == nil then
    return fail('user:refresh: the function for "' .. name .. '" returned nothing')
  end
  entry.value, entry.ends = value, native.elapsed() + seconds
  return value
end

function User:refresh(name, seconds, fn)
  waits(self, "refresh")
  if type(name) ~= "string" then
    return fail("user:refresh: the name must be a string, not " .. native.kind(name))
  elseif type(seconds) ~= "number" or not (seconds > 0 and seconds <= DAY) then
    return fail("user:refresh: the age must be seconds above 0 up to a day (86400), not " .. native.kind(seconds))
  elseif type(fn) ~= "function" then
    return fail("user:refresh: the third argument must be a function, not " .. native.kind(fn))
  end
  local entry = values[name]
  if not entry then
    if count >= NAMES_MAX then
      return fail("user:refresh: there are more than " .. NAMES_MAX .. " names")
    end
    entry, count = { ends = 0 }, count + 1
    values[name] = entry
  end
  while entry.value == nil or native.elapsed() >= entry.ends do
    if not is_busy(entry) then
      return get(self, entry, name, seconds, fn)
    elseif entry.by == self and entry.slot == shared.slot() then
      return fail('user:refresh: the function for "' .. name .. '" asks for the same value')
    end
    self:sleep(LOOK_EVERY)
  end
  return entry.value
end
