-- Two waves of users, as at midday and in the evening.

local function bell(second, peak, height)
  return height * math.exp(-((second / 40 - peak) ^ 2))
end

return {
  main = function(user)
    user:get("/")
    user:sleep(0.5)
  end,
  rates = {
    waves = function(second)
      return 20 + bell(second, 5, 40) + bell(second, 10, 20)
    end,
  },
}
