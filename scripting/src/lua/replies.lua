-- The methods of a reply: `headers`, `cookies`, `body`, `match`.
--
-- A body is only kept if the request asked for it. The host still has the latest reply's body until
-- the user's next step, so reading it before that works without `keep_body`.

local native, shared = ...

local fail, slot_of, HEAD = shared.fail, shared.slot_of, shared.HEAD
local find, lower, match = string.find, string.lower, string.match
local getmetatable, rawget, setmetatable, type = getmetatable, rawget, setmetatable, type

local Reply = shared.Reply
local methods = {}
Reply.__metatable = "reply"

-- The body, nil when the request failed before there was one.
local function body_of(reply, what)
  local body = rawget(reply, "body")
  if body ~= nil then
    return body
  end
  local slot = slot_of(reply)
  body = slot and native.body(slot)
  if body then
    reply.body = body
    return body
  elseif not reply.ok then
    return nil
  end
  local failure = slot and native.body_failure(slot)
  if failure then -- it is complete, but cannot be decoded
    reply.ok, reply.failure = false, failure
    return nil
  end
  return fail(what .. " needs the body of the reply: set keep_body = true on the request")
end

-- The raw head, nil when the request failed before there was one.
local function head_of(reply)
  local head = rawget(reply, HEAD)
  if head then
    return head
  end
  local slot = slot_of(reply)
  head = slot and native.head(slot)
  if head then
    reply[HEAD] = head
    return head
  elseif reply.status == 0 then
    return nil
  end
  return fail("the headers of this reply are gone: read reply.headers before the user's next step")
end

local any_case = {
  __index = function(headers, name)
    if type(name) == "string" then
      local known = lower(name)
      if known ~= name then
        return rawget(headers, known)
      end
    end
    return nil
  end,
  __metatable = "headers",
}

local function headers_of(reply)
  local head = head_of(reply)
  local headers = setmetatable(head and native.headers(head) or {}, any_case)
  reply.headers = headers
  return headers
end

-- The URL at which the request ended, after redirects.
local function url_of(reply)
  local slot = slot_of(reply)
  if not slot then
    return fail("the URL of this reply is gone: read reply.url before the user's next step")
  end
  local url = native.reply_url(slot)
  reply.url = url
  return url
end

local function cookies_of(reply)
  local head = head_of(reply)
  local cookies = head and native.cookies(head) or {}
  reply.cookies = cookies
  return cookies
end

-- The parts of the time that the latest request of the reply took, in milliseconds.
local function timings_of(reply)
  local slot = slot_of(reply)
  if not slot then
    return fail("the timings of this reply are gone: read reply.timings before the user's next step")
  end
  local timings = native.timings(slot)
  reply.timings = timings
  return timings
end

function Reply.__index(reply, key)
  if key == "failure" then
    return nil
  elseif key == "body" then
    return body_of(reply, "reply.body")
  elseif key == "headers" then
    return headers_of(reply)
  elseif key == "url" then
    return url_of(reply)
  elseif key == "cookies" then
    return cookies_of(reply)
  elseif key == "timings" then
    return timings_of(reply)
  end
  return methods[key]
end

local function is_reply(value)
  return type(value) == "table" and getmetatable(value) == "reply"
end

local function checked(reply, what)
  if not is_reply(reply) then
    return fail("reply:" .. what .. " was not called on a reply: write reply:" .. what .. "(...)")
  end
end

-- Like string.match on the body.
function methods.match(reply, pattern, start)
  checked(reply, "match")
  if type(pattern) ~= "string" then
    return fail("reply:match: the pattern must be a string, not " .. native.kind(pattern))
  end
  local body = body_of(reply, "reply:match()")
  if body == nil then
    return nil
  end
  return match(body, pattern, start or 1)
end

-- The reply counts as failed. One that has failed already stays what it was.
function methods.fail(reply, reason)
  checked(reply, "fail")
  if type(reason) ~= "string" or reason == "" then
    local found = reason == "" and "an empty one" or native.kind(reason)
    return fail("reply:fail: the reason must be a string, not " .. found)
  elseif not reply.ok then
    return
  end
  local slot = slot_of(reply)
  if not (slot and native.reject(slot, reason)) then
    return fail("reply:fail: the request is recorded already: call it before the user's next step")
  end
  reply.ok, reply.failure = false, "rejected"
end

-- The option `expect` as a function: false or nil rejects the reply, with the second result as the
-- reason.
function shared.judged(reply, judge)
  if reply.ok then
    local fine, why = judge(reply)
    if not fine then
      reply:fail(type(why) == "string" and why ~= "" and why or "not as expected")
    end
  end
  return reply
end

-- All values of a header that may occur several times, such as Set-Cookie.
function methods.headers_all(reply, name)
  checked(reply, "headers_all")
  if type(name) ~= "string" then
    return fail("reply:headers_all: the name must be a string, not " .. native.kind(name))
  end
  local head = head_of(reply)
  return head and native.headers_all(head, name) or {}
end

shared.is_reply = is_reply
shared.methods, shared.body_of, shared.checked = methods, body_of, checked

-- For checks: whether the body contains the text, without a copy if the body is not kept.
function shared.contains(reply, text)
  local body = rawget(reply, "body")
  if body ~= nil then
    return find(body, text, 1, true) ~= nil
  end
  local slot = slot_of(reply)
  local found
  if slot then
    found = native.contains(slot, text)
  end
  if found == nil then
    body = body_of(reply, "a check of contains")
    return body ~= nil and find(body, text, 1, true) ~= nil
  end
  return found
end

function shared.matches(reply, pattern)
  local body = body_of(reply, "a check of matches")
  return body ~= nil and find(body, pattern) ~= nil
end
