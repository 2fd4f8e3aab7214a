-- Users and their coroutines: starting, resuming, requests, sleeps, transactions.
--
-- Rust calls the functions in `entry` at the end of this file, one call per resume, and gets one
-- number back: a request template (0 and up) or one of the codes below. A coroutine lives in
-- `threads` under its user's slot, never in a Rust handle (their number is bounded).

local native, shared = ...

local co_create, co_resume, co_yield = coroutine.create, coroutine.resume, coroutine.yield
local error, rawequal, select, setmetatable, tostring, type, xpcall, pcall =
  error, rawequal, select, setmetatable, tostring, type, xpcall, pcall
local floor = math.floor

-- Added to the code of a reply when the load asks the user to stop; script.rs has the same value.
local STOPPING = 65536

-- What a coroutine returns to Rust; script.rs has the same codes.
local DONE, FAILED, REQUEST, SLEEP, LEAVE, STOP = -1, -2, -3, -4, -5, -6

local IDLE_MAX = 1024 -- idle coroutines kept for later users
local NAMES_MAX = 10000 -- size limit of each cache below; beyond it the slow path is taken
local SLEEP_MAX = 86400 -- seconds

local threads, users = {}, {} -- by slot
local stopping = {} -- by slot: the load asks the user to stop
local depths = {} -- by slot of a branch: how many branches it is within; branches.lua writes it
local idle, idle_count = {}, 0
local entries, data = {}, nil -- the functions of the script by entry number; the result of setup
local failures = {} -- failure names by code

-- The user whose coroutine may wait now; false inside a coroutine made by the script, where a yield
-- would reach the wrong caller. `now` is the user whose code runs in both cases.
local me, now, slot_now = false, false, nil
local latest -- the reply whose body and head the host still has
local sleep_min, sleep_max -- seconds, of the last SLEEP
local failure_text, failure_trace, outcome -- of the last FAILED or DONE
local left = setmetatable({}, { __tostring = function() return "the user leaves its load" end }) -- raised by a user that leaves
local stopped = setmetatable({}, { __mode = "k" }) -- users that leave because they said so
local rethrown, rethrowing -- an error already traced on its way up

local User, Reply = {}, {} -- metatables' contents; reply.lua and checks.lua add to them
local user_meta = { __index = User, __metatable = "user" }

---------------------------------------------------------------------------------------- errors

-- Raises `message` at the script's line.
local function fail(message)
  return error(native.where() .. message, 0)
end

local function text_of(err)
  local kind = type(err)
  if kind == "string" then
    return err
  elseif kind == "number" or kind == "boolean" then
    return tostring(err)
  elseif kind == "userdata" then
    return native.error_text(err)
  end
  local ok, text = pcall(tostring, err)
  if ok and type(text) == "string" and kind == "table" then
    return text
  end
  return "the error value is " .. (kind == "nil" and "nil" or "a " .. kind)
end

-- The message handler of all script code: runs on the failing coroutine, before it unwinds.
local function trace(err)
  if rawequal(err, left) then
    return err
  end
  if rethrowing and rawequal(err, rethrown) then
    return err
  end
  rethrowing, rethrown = false, nil
  failure_text, failure_trace = nil, nil
  failure_text, failure_trace = native.trace(text_of(err))
  return err
end

-- The caller used a method on something that is not the running user.
local function refuse(what)
  if now and not me then
    return fail("user:" .. what .. " can't be called from a coroutine of the script's own")
  elseif not now then
    return fail("user:" .. what .. " needs a running user: call it inside a scenario or a hook")
  end
  return fail("user:" .. what .. " was not called on the running user: write user:" .. what .. "(...)")
end

local function own(self, what)
  if self ~= now or not now then
    return refuse(what)
  end
end

------------------------------------------------------------------------------------- coroutines

-- The body of every coroutine: it runs one entry after another, so that no coroutine is made per
-- iteration.
local function main(fn, user, argument)
  while true do
    local ok, result = xpcall(fn, trace, user, argument)
    fn, user, argument = nil, nil, nil
    if ok then
      outcome, result = result, nil
      fn, user, argument = co_yield(DONE)
    elseif rawequal(result, left) then
      outcome, result, rethrowing, rethrown = nil, nil, false, nil
      local code = stopped[now] and STOP or LEAVE
      stopped[now] = nil
      fn, user, argument = co_yield(code)
    else
      if failure_text == nil then -- the handler could not run: stack or memory exhausted
        failure_text, failure_trace = text_of(result), ""
      end
      result, rethrowing, rethrown = nil, false, nil
      fn, user, argument = co_yield(FAILED)
    end
  end
end

-- A coroutine died outside its `xpcall`; the slot gets a new one at its next entry.
local function lost(slot, err)
  threads[slot] = nil
  failure_text, failure_trace = text_of(err), ""
  return FAILED
end

local function attach(slot, number)
  users[slot] = setmetatable({ id = number }, user_meta)
  threads[slot], stopping[slot] = nil, false
end

local function detach(slot, is_idle)
  local thread = threads[slot]
  if is_idle and thread and idle_count < IDLE_MAX then
    idle_count = idle_count + 1
    idle[idle_count] = thread
  end
  if depths[slot] then
    shared.joined(slot)
  end
  threads[slot], users[slot] = nil, nil
  if slot_now == slot then
    me, now, slot_now, latest = false, false, nil, nil
  end
end

local function thread_of(slot)
  local thread = threads[slot]
  if not thread then
    if idle_count > 0 then
      thread, idle[idle_count] = idle[idle_count], nil
      idle_count = idle_count - 1
    else
      thread = co_create(main)
    end
    threads[slot] = thread
  end
  return thread
end

local function run(slot, index, is_stopping)
  stopping[slot] = is_stopping
  local user, thread = users[slot], thread_of(slot)
  me, now, slot_now, latest = user, user, slot, nil
  failure_text, failure_trace, outcome = nil, nil, nil
  local alive, op = co_resume(thread, entries[index], user, data)
  if alive then
    return op
  end
  return lost(slot, op)
end

local function wake(slot, is_stopping)
  stopping[slot] = is_stopping
  local user = users[slot]
  me, now, slot_now, latest = user, user, slot, nil
  local alive, op = co_resume(threads[slot])
  if alive then
    return op
  end
  return lost(slot, op)
end

-- `code`: 0 is ok, 1 is not ok without a kind, above is a kind of failure.
local function reply(slot, status, code, latency_ms)
  local user = users[slot]
  local result = { status = 0, ok = true, latency_ms = 0 }
  result.status, result.latency_ms = status, latency_ms
  if code ~= 0 then
    if code >= STOPPING then
      stopping[slot], code = true, code - STOPPING
    end
    if code ~= 0 then
      result.ok, result.failure = false, failures[code]
    end
  end
  setmetatable(result, Reply)
  me, now, slot_now, latest = user, user, slot, result
  local alive, op = co_resume(threads[slot], result)
  if alive then
    return op
  end
  return lost(slot, op)
end

-- Like `reply`, with a head or a body that the script will or may read.
local function reply_kept(slot, status, code, latency_ms, head, body)
  if code >= STOPPING then
    stopping[slot], code = true, code - STOPPING
  end
  local user = users[slot]
  local result = setmetatable({
    status = status,
    ok = code == 0,
    latency_ms = latency_ms,
    failure = failures[code],
    body = body,
    [shared.HEAD] = head,
  }, Reply)
  me, now, slot_now, latest = user, user, slot, result
  local alive, op = co_resume(threads[slot], result)
  if alive then
    return op
  end
  return lost(slot, op)
end

--------------------------------------------------------------------------------------- requests

local templates, template_count = {}, 0 -- method -> URL -> number

local function request(self, what, method, url, options)
  if self ~= me or not me then
    return refuse(what)
  end
  if type(url) ~= "string" then
    return fail("user:" .. what .. ": the URL must be a string, not " .. native.kind(url))
  elseif type(method) ~= "string" then
    return fail("user:" .. what .. ": the method must be a string, not " .. native.kind(method))
  end
  if options == nil and template_count < NAMES_MAX then
    local id, message = native.template(method, url)
    if not id then
      return fail("user:" .. what .. ": " .. message)
    end
    local ids = templates[method]
    if not ids then
      ids = {}
      templates[method] = ids
    end
    ids[url] = id
    template_count = template_count + 1
    return co_yield(id)
  end
  local message = native.request(slot_now, method, url, options)
  if message then
    return fail("user:" .. what .. ": " .. message)
  end
  local judge = options and options.expect
  if type(judge) == "function" then
    return shared.judged(co_yield(REQUEST), judge)
  end
  return co_yield(REQUEST)
end

-- A request without a method wrapper in between; uses the known template if there is one.
function shared.request(self, what, method, url, options)
  local ids = options == nil and self == me and templates[method]
  local id = ids and ids[url]
  if id then
    return co_yield(id)
  end
  return request(self, what, method, url, options)
end

local function verb(what, method)
  local ids = {}
  templates[method] = ids
  User[what] = function(self, url, options)
    if options == nil and self == me then
      local id = ids[url]
      if id then
        return co_yield(id)
      end
    end
    return request(self, what, method, url, options)
  end
end

verb("get", "GET")
verb("head", "HEAD")
verb("post", "POST")
verb("put", "PUT")
verb("patch", "PATCH")
verb("delete", "DELETE")

function User:request(method, url, options)
  if options == nil and self == me then
    local ids = templates[method]
    local id = ids and ids[url]
    if id then
      return co_yield(id)
    end
  end
  return request(self, "request", method, url, options)
end

------------------------------------------------------------------------------ sleep, transaction

local function seconds(value, name)
  if type(value) ~= "number" or not (value >= 0 and value <= SLEEP_MAX) then
    return fail("user:sleep: " .. name .. " must be seconds from 0 to a day (86400), not " .. native.kind(value))
  end
  return value
end

function User:sleep(min, max)
  if self ~= me or not me then
    return refuse("sleep")
  end
  sleep_min = seconds(min, "the time")
  if max == nil then
    sleep_max = min
  else
    sleep_max = seconds(max, "the maximum")
    if max < min then
      return fail("user:sleep: the minimum " .. min .. " is greater than the maximum " .. max)
    end
  end
  return co_yield(SLEEP)
end

local transactions, transaction_count = {}, 0

local function close(ok, ...)
  local err = ...
  if not ok and rawequal(err, left) then
    native.transaction_left(slot_now)
    return error(left, 0)
  end
  native.transaction_end(slot_now, ok)
  if ok then
    return ...
  end
  rethrown, rethrowing = err, true
  return error(err, 0)
end

function User:transaction(name, fn, ...)
  if self ~= me or not me then
    return refuse("transaction")
  end
  local id = transactions[name]
  if not id then
    if type(name) ~= "string" then
      return fail("user:transaction: the name must be a string, not " .. native.kind(name))
    end
    id = native.transaction_name(name)
    if transaction_count < NAMES_MAX then
      transactions[name] = id
      transaction_count = transaction_count + 1
    end
  end
  if type(fn) ~= "function" then
    return fail("user:transaction: the second argument must be a function, not " .. native.kind(fn))
  end
  native.transaction_begin(slot_now, id)
  return close(xpcall(fn, trace, ...))
end

-- The next row of a data source; if there are none left and the profile says stop, the user leaves
-- from here.
function User:row(name)
  own(self, "row")
  if type(name) ~= "string" then
    return fail("user:row: the name of the data source must be a string, not " .. native.kind(name))
  end
  local row, message = native.row(slot_now, name)
  if row then
    return row
  elseif message then
    return fail("user:row: " .. message)
  end
  stopping[slot_now] = true
  return error(left, 0)
end

-- The user leaves its load: it ends here, and so does the user after `on_stop`.
function User:stop()
  if self ~= me or not me then
    return refuse("stop")
  end
  stopping[slot_now], stopped[self] = true, true
  return error(left, 0)
end

function User:running()
  own(self, "running")
  return not stopping[slot_now]
end

------------------------------------------------------------------------------- random, own coroutines

local function random(m, n)
  if not now then
    return fail("a random number needs a running user: ask for it inside a scenario or a hook")
  end
  local unit = native.random(slot_now)
  if m == nil then
    return unit
  end
  if n == nil then
    m, n = 1, m
  end
  if type(m) ~= "number" or type(n) ~= "number" or floor(m) ~= m or floor(n) ~= n then
    return fail("random: the bounds must be whole numbers")
  elseif n < m or n - m >= 9007199254740992 then
    return fail("random: the interval from " .. m .. " to " .. n .. " is empty or too wide")
  end
  return m + floor(unit * (n - m + 1))
end

function User:random(m, n)
  own(self, "random")
  return random(m, n)
end

local function back(saved, ...)
  me = saved
  return ...
end

-- The coroutine functions for scripts: they mark that the user can't wait inside.
local coroutines = { create = co_create, status = coroutine.status }

function coroutines.resume(thread, ...)
  if type(thread) ~= "thread" then
    return fail("coroutine.resume: expected a coroutine, not " .. native.kind(thread))
  end
  local saved = me
  me = false
  return back(saved, co_resume(thread, ...))
end

local function unwrap(saved, ok, ...)
  me = saved
  if ok then
    return ...
  end
  return error((...), 0)
end

function coroutines.wrap(fn)
  local thread = co_create(fn)
  return function(...)
    local saved = me
    me = false
    return unwrap(saved, co_resume(thread, ...))
  end
end

function coroutines.yield(...)
  if me then
    return fail("coroutine.yield outside a coroutine of the script's own; to wait, use user:sleep")
  end
  return co_yield(...)
end

-- As in plain Lua, nil means the main coroutine: the user's own coroutine is never exposed.
local co_running = coroutine.running
function coroutines.running()
  if me then
    return nil
  end
  return co_running()
end

----------------------------------------------------------------------------------------- exports

shared.User, shared.Reply, shared.coroutine = User, Reply, coroutines
shared.fail, shared.own, shared.random = fail, own, random
shared.left, shared.text_of, shared.trace = left, text_of, trace
shared.users, shared.stopping, shared.depths = users, stopping, depths
shared.thread_of, shared.lost = thread_of, lost

-- Checks that the caller may wait: only the running user's own coroutine may.
function shared.waits(self, what)
  if self ~= me or not me then
    return refuse(what)
  end
end

-- Waits until the run has ended, if the caller may wait.
function shared.halt()
  if me then
    sleep_min, sleep_max = SLEEP_MAX, SLEEP_MAX
    return co_yield(SLEEP)
  end
end

-- Switches to the user or branch of a slot.
function shared.enter(slot)
  local user = users[slot]
  me, now, slot_now, latest = user, user, slot, nil
  failure_text, failure_trace, outcome = nil, nil, nil
end

-- The message and the call stack of the last caught error.
function shared.take_failure()
  local text, calls = failure_text, failure_trace
  failure_text, failure_trace, rethrowing, rethrown = nil, nil, false, nil
  return text, calls
end

-- Raises an error whose message and call stack are known.
function shared.rethrow(err, text, calls)
  failure_text, failure_trace = text, calls
  rethrowing, rethrown = true, err
  return error(err, 0)
end

-- The slot whose latest reply this is, if the host still has its body and head.
function shared.slot_of(result)
  return result == latest and slot_now or nil
end

function shared.slot()
  return slot_now
end

local entry = {
  run = run,
  reply = reply,
  reply_kept = reply_kept,
  wake = wake,
  attach = attach,
  detach = detach,
}

-- Runs the chunk of the script's file: returns its value, or nil when the failure is to be fetched.
function entry.load(chunk)
  local ok, value = xpcall(chunk, trace)
  if ok then
    return true, value
  elseif failure_text == nil then
    failure_text, failure_trace = text_of(value), ""
  end
  return false
end

function entry.set_entry(index, fn)
  entries[index] = fn
end

function entry.set_data(value)
  data = value
end

function entry.set_failure(code, name)
  failures[code] = name
end

function entry.sleep_times()
  return sleep_min, sleep_max
end

function entry.failure()
  local text, calls = failure_text, failure_trace
  failure_text, failure_trace = nil, nil
  return text, calls
end

function entry.outcome()
  local value = outcome
  outcome = nil
  return value
end

-- After an error in this file itself: the user's coroutine can't be trusted any more.
function entry.drop(slot)
  threads[slot] = nil
end

return entry
