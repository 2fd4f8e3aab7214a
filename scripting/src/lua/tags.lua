-- `user:with_tags`: tags of all requests of a stretch.

local native, shared = ...

local fail, left, waits = shared.fail, shared.left, shared.waits
local error, rawequal, type, xpcall = error, rawequal, type, xpcall

local function close(ok, ...)
  native.tags_end(shared.slot())
  if ok then
    return ...
  end
  local err = ...
  if rawequal(err, left) then
    return error(left, 0)
  end
  local text, calls = shared.take_failure()
  return shared.rethrow(err, text, calls)
end

function shared.User:with_tags(tags, fn, ...)
  waits(self, "with_tags")
  if type(fn) ~= "function" then
    return fail("user:with_tags: the second argument must be a function, not " .. native.kind(fn))
  end
  local message = native.tags_begin(shared.slot(), tags)
  if message then
    return fail("user:with_tags: " .. message)
  end
  return close(xpcall(fn, shared.trace, ...))
end
