-- `user:think`: waits like a person, for a time drawn from a distribution.

local native, shared = ...

local fail, own, random = shared.fail, shared.own, shared.random
local cos, exp, log, pi, sqrt = math.cos, math.exp, math.log, math.pi, math.sqrt
local pairs, type = pairs, type

local User = shared.User
local KEYS = "kind mean sd min max"
local DAY = 86400 -- seconds, the longest time

-- Standard normal distribution, after Box and Muller (1958).
local function normal()
  return sqrt(-2 * log(1 - random())) * cos(2 * pi * random())
end

-- The numbers each kind needs, and how it draws seconds from them.
local kinds = {
  uniform = {
    "min", "max",
    draw = function(o) return o.min + random() * (o.max - o.min) end,
  },
  normal = {
    "mean", "sd",
    draw = function(o) return o.mean + o.sd * normal() end,
  },
  -- `mean` and `sd` are those of the time, not of its logarithm.
  lognormal = {
    "mean", "sd",
    draw = function(o)
      local variance = log(1 + (o.sd / o.mean) ^ 2)
      return exp(log(o.mean) - variance / 2 + sqrt(variance) * normal())
    end,
  },
  exponential = {
    "mean",
    draw = function(o) return -o.mean * log(1 - random()) end,
  },
}

local known = {}
for key in KEYS:gmatch("%S+") do
  known[key] = true
end

local function checked(options)
  if type(options) ~= "table" then
    return fail('user:think needs a table such as { kind = "exponential", mean = 2 }, not ' .. native.kind(options))
  end
  for key, value in pairs(options) do
    if not known[key] then
      return fail(native.unknown("user:think: the option", type(key) == "string" and key or native.kind(key), KEYS))
    elseif key ~= "kind" and (type(value) ~= "number" or not (value >= 0 and value <= DAY)) then
      return fail("user:think: " .. key .. " must be seconds from 0 to a day (86400), not " .. native.kind(value))
    end
  end
  local kind = kinds[options.kind]
  if not kind then
    local allowed = '"uniform", "normal", "lognormal" or "exponential"'
    return fail("user:think: kind must be " .. allowed .. ", not " .. native.kind(options.kind))
  end
  for i = 1, #kind do
    if not options[kind[i]] then
      return fail("user:think: " .. options.kind .. " needs " .. kind[i])
    end
  end
  if options.kind == "lognormal" and options.mean == 0 then
    return fail("user:think: the mean of lognormal must be above 0")
  elseif options.min and options.max and options.max < options.min then
    return fail("user:think: min " .. options.min .. " is more than max " .. options.max)
  end
  return kind
end

-- Draws below `min` or above `max` are clamped.
function User:think(options)
  own(self, "think")
  local kind = checked(options)
  local seconds = kind.draw(options)
  local least, most = options.min or 0, options.max or DAY
  if seconds < least then
    seconds = least
  elseif seconds > most then
    seconds = most
  end
  return self:sleep(seconds)
end
