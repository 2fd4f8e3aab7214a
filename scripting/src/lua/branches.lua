-- Branches of one user that run concurrently: `user:parallel`, `user:batch`, `user:page`.
--
-- A branch has a slot and a coroutine of its own but is the same user: the same table, the same
-- connections. Its user waits until all branches have ended. Rust starts them with `fork`.

local native, shared, entry = ...

local co_resume, co_yield = coroutine.resume, coroutine.yield
local error, ipairs, next, rawequal = error, ipairs, next, rawequal
local setmetatable, type, unpack, xpcall = setmetatable, type, unpack, xpcall

local fail, left, text_of, trace = shared.fail, shared.left, shared.text_of, shared.trace
local users, stopping, depths = shared.users, shared.stopping, shared.depths
local User = shared.User

-- Numbers of branches to start are below this; script.rs has the same value.
local PARALLEL = -1000

local BRANCHES_MAX = 1000 -- of one user at once
local DEPTH_MAX = 8 -- branches within branches

local forked = {} -- the tasks of the branches to start, by their parent's slot
local living = setmetatable({}, { __mode = "k" }) -- how many branches a user has, by the user

-- The body of a branch: it never fails, its result is written into the task.
local function work(user, task)
  local ok, result = xpcall(task.fn, trace, user, task.argument)
  if ok then
    task.result = result
  elseif rawequal(result, left) then
    task.left = true
  else
    local text, calls = shared.take_failure()
    task.err, task.text, task.calls = result, text or text_of(result), calls or ""
  end
  task.ok = ok
end

function entry.fork(slot, parent, index, is_stopping)
  local user = users[parent]
  users[slot], stopping[slot] = user, is_stopping
  depths[slot] = (depths[parent] or 0) + 1
  living[user] = (living[user] or 0) + 1
  local thread = shared.thread_of(slot)
  shared.enter(slot)
  local alive, op = co_resume(thread, work, user, forked[parent][index])
  if alive then
    return op
  end
  return shared.lost(slot, op)
end

-- Frees a branch's slot.
function shared.joined(slot)
  local user = users[slot]
  depths[slot] = nil
  living[user] = living[user] - 1
end

-- The first error in branch order is raised in their user; the text of the others is appended to
-- it.
local function raise(tasks, count, first)
  local task, more = tasks[first], ""
  for i = first + 1, count do
    local other = tasks[i]
    if not other.ok and not other.left then
      more = more .. "\n  and in another branch: " .. (other.text or "it was lost")
    end
  end
  local text, calls = task.text or "a branch was lost", task.calls or ""
  if calls == "" then -- internal code runs in the branch: the call that created it has the location
    text, calls = native.trace(text)
  end
  local err = task.err
  if err == nil or type(err) == "string" then
    err = text
  end
  return shared.rethrow(err, text, calls .. more)
end

-- Runs tasks concurrently; their results go into `tasks[i].result`.
local function together(what, user, tasks, count)
  local slot = shared.slot()
  if count == 0 then
    return
  elseif (depths[slot] or 0) >= DEPTH_MAX then
    return fail("user:" .. what .. ": branches are nested more than " .. DEPTH_MAX .. " deep")
  elseif (living[user] or 0) + count > BRANCHES_MAX then
    return fail("user:" .. what .. ": more than " .. BRANCHES_MAX .. " concurrent branches of one user")
  end
  forked[slot] = tasks
  co_yield(PARALLEL - count)
  forked[slot] = nil
  local failed, leaves = nil, false
  for i = count, 1, -1 do
    if tasks[i].left then
      leaves = true
    elseif not tasks[i].ok then
      failed = i
    end
  end
  if failed then
    return raise(tasks, count, failed)
  elseif leaves then
    stopping[slot] = true
    return error(left, 0)
  end
end

-- Runs functions concurrently, as fn(user); returns their first results, in the order of the list.
function User:parallel(list)
  shared.waits(self, "parallel")
  if type(list) ~= "table" then
    return fail("user:parallel needs a list of functions, not " .. native.kind(list))
  end
  local tasks, count = {}, #list
  for key, fn in next, list do
    if type(key) ~= "number" or key < 1 or key > count or key % 1 ~= 0 then
      return fail("user:parallel needs a list of functions, without the key " .. native.kind(key))
    elseif type(fn) ~= "function" then
      return fail("user:parallel: [" .. key .. "] must be a function, not " .. native.kind(fn))
    end
    tasks[key] = { fn = fn }
  end
  together("parallel", self, tasks, count)
  local results = {}
  for i = 1, count do
    results[i] = tasks[i].result
  end
  return unpack(results, 1, count)
end

local function send(user, request)
  return shared.request(user, request.what, request.method, request.url, request.options)
end

local function replies(what, user, requests)
  local tasks, results = {}, {}
  for i = 1, #requests do
    tasks[i] = { fn = send, argument = requests[i] }
  end
  together(what, user, tasks, #requests)
  for i = 1, #requests do
    results[i] = tasks[i].result
  end
  return results
end

shared.replies = replies

-- An item of a batch: a URL, or request options with `url` and optionally `method`.
local function item_of(item, index)
  local what = "batch: [" .. index .. "]"
  if type(item) == "string" then
    return { what = what, method = "GET", url = item }
  elseif type(item) ~= "table" then
    return fail("user:" .. what .. " must be a URL or a table with url, not " .. native.kind(item))
  elseif item.url == nil then
    return fail("user:" .. what .. " has no url")
  end
  local options
  for key, value in next, item do
    if key ~= "url" and key ~= "method" then
      options = options or {}
      options[key] = value
    end
  end
  local method = item.method
  if method == nil then
    method = "GET"
  end
  return { what = what, method = method, url = item.url, options = options }
end

-- Sends requests concurrently; returns their replies in the order of the list.
function User:batch(list)
  shared.waits(self, "batch")
  if type(list) ~= "table" then
    return fail("user:batch needs a list of requests, not " .. native.kind(list))
  end
  local requests = {}
  for key in next, list do
    if type(key) ~= "number" or key < 1 or key > #list or key % 1 ~= 0 then
      return fail("user:batch needs a list of requests, without the key " .. native.kind(key))
    end
  end
  for i = 1, #list do
    requests[i] = item_of(list[i], i)
  end
  return replies("batch", self, requests)
end

local PAGE_KEYS = { all_origins = "boolean", assets = "table" }

-- Fetches a page and then, concurrently, the resources it embeds; returns the reply of the page and
-- the list of the others. `options` are those of the page's request; its `assets` are those of all
-- the others.
function User:page(url, options)
  shared.waits(self, "page")
  local own, given = {}, { keep_body = true }
  if options ~= nil and type(options) ~= "table" then
    return fail("user:page: the options must be a table, not " .. native.kind(options))
  end
  for key, value in next, options or {} do
    local kind = PAGE_KEYS[key]
    if kind and type(value) ~= kind then
      local allowed = kind == "table" and "a table of options" or "true or false"
      return fail("user:page: " .. key .. " must be " .. allowed .. ", not " .. native.kind(value))
    end
    local into = kind and own or given
    into[key] = value
  end
  local reply = shared.request(self, "page", "GET", url, given)
  local body = reply.status > 0 and reply.body
  if not body then
    return reply, {}
  end
  local links, limit = native.embedded(body, reply.url or url, own.all_origins or false)
  if not links then
    return fail("user:page: " .. limit)
  end
  local requests = {}
  for i, link in ipairs(links) do
    requests[i] = { what = "page: " .. link, method = "GET", url = link, options = own.assets }
  end
  return reply, replies("page", self, requests)
end
